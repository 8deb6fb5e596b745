# SPDX-License-Identifier: Apache-2.0
# Tries: progress that is no fraction
# Must: SCRIPT_FAILED: fraction
import cella
def main():
    cella.progress(float("nan"))
