# SPDX-License-Identifier: Apache-2.0
"""cella keygen, cella id."""

from __future__ import annotations

import click

from . import show
from .options import identity_option, json_option


@click.command()
@click.option(
    "-o", "--output", type=click.Path(dir_okay=False), help="File. Default: the identity's default place."
)
@json_option
def keygen(output: str | None, as_json: bool) -> None:
    """Make an identity: the keys that sign your requests and open your results.

    The file is readable by you only and never overwritten. Keep a copy: results can not be opened without it.
    """
    from ..identity import Identity

    identity = Identity.generate()
    path = identity.save(output)
    if as_json:
        show.event("identity", party=identity.party, path=str(path), created=True)
    else:
        show.note(f"identity written to {path}")
        print(identity.party)


@click.command("id")
@identity_option
@json_option
def show_id(identity: str | None, as_json: bool) -> None:
    """Print this party's id: what others name as owner or receiver."""
    from ..encoding import to_base64url
    from ..identity import Identity

    found = Identity.load(identity)
    if as_json:
        sign, seal = to_base64url(found.sign_public), to_base64url(found.seal_public)
        show.event("identity", party=found.party, sign=sign, seal=seal)
    else:
        print(found.party)
