# SPDX-License-Identifier: Apache-2.0
"""The command line: one file per noun, over the package's own functions. Nothing happens here that Python can not do."""
