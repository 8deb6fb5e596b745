# SPDX-License-Identifier: Apache-2.0
# -*- coding: utf-8 -*-
# Counts words of a UTF-8 text, byte by byte, as Python 2 saw it.
from _collections import defaultdict
from itertools import imap


def words(text):
    for line in text.split("\n"):
        for word in imap(lambda part: part.strip(), line.split(" ")):
            if word:
                yield word


def entrypoint(argv):
    counts = defaultdict(int)
    with teaclave_open("text", "rb") as f:
        for word in words(f.read()):
            counts[word] += 1
    with teaclave_open("counts", "wb") as f:
        for word in sorted(counts, key=lambda w: (-counts[w], w)):
            f.write("%s\t%d\n" % (word, counts[word]))
    return "naïve" if counts["naïve"] else "%d words" % len(counts)
