# SPDX-License-Identifier: Apache-2.0
"""The command line: one file per noun, over the package's own functions. It can do nothing that Python can not."""
