# SPDX-License-Identifier: Apache-2.0
# Finds out which inputs it got by trying, and tells what went wrong in the words of the exceptions.


class Refusal(Exception):
    def __init__(self, message):
        self.message = "own: " + message


def attempt(action):
    try:
        action()
    except:
        import sys
        return sys.exc_info()[0].__name__
    return "fine"


def refuse():
    raise Refusal("no")


def entrypoint(argv):
    told = []
    for name in ("required", "extra"):
        try:
            with teaclave_open(name, "rb") as f:
                told.append(name + "=" + f.read())
        except RuntimeError as e:
            told.append(name + ": " + e.message)
    for action in (lambda: 1 % 0, lambda: {}["key"], lambda: [].nothing, refuse):
        try:
            action()
        except Exception as e:
            told.append(e.message)
    try:
        import numpy.nothing_of_that_name
    except RuntimeError as e:
        told.append(e.message)
    told.append(attempt(lambda: teaclave_open("required", "r+")))
    told.append(attempt(lambda: None))
    return "|".join(told)
