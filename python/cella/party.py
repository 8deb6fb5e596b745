# SPDX-License-Identifier: Apache-2.0
"""Parties and organisations: who may be here, and as what."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import _native
from .encoding import from_base64url, parse_object, to_base64url, write_json
from .identity import Identity

if TYPE_CHECKING:
    from .executor import Executor

ROLES = ("administrator", "function_owner", "data_owner", "auditor")
INVITATION_S = 7 * 86400


def invite(
    identity: Identity,
    executor: str,
    roles: Sequence[str] = ("data_owner",),
    *,
    organisation: str | None = None,
    manages: bool = False,
    party: str | None = None,
    valid_s: int = INVITATION_S,
) -> str:
    """Sign an invitation. Nothing is sent; it counts once, where its signer may give what it promises.

    Args:
        identity: of an administrator, or of the manager of the organisation.
        executor: id of the executor that it is for.
        roles: what the new party is to be.
        organisation: id of the one that it is to belong to.
        manages: make it a manager of that organisation.
        party: only this party may use it; None: whoever has it.
        valid_s: seconds from now.

    Returns:
        Compact JWS. Whoever has it can use it: send it as carefully as a key.

    >>> me = Identity.generate()
    >>> read_invitation(invite(me, me.party))["by"] == me.party
    True
    """
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        raise _native.error("BAD_FIELD", f"{unknown[0]} is not a role; roles are {', '.join(ROLES)}", "roles")
    content: dict[str, Any] = {
        "version": 1,
        "type": "cella invitation",
        "executor": executor,
        "by": identity.party,
        "invitation": os.urandom(16).hex(),
        "expires": int(time.time()) + valid_s,
        "roles": list(roles),
    }
    if organisation is not None:
        content["organisation"] = organisation
    if manages:
        content["manages"] = True
    if party is not None:
        content["party"] = party
    return identity.sign_invitation(write_json(content, "invitation"))


def read_invitation(compact: str, administrators: Sequence[str] | None = None) -> dict[str, Any]:
    """Verify an invitation without an executor, and say what is in it.

    Args:
        compact: as invite has made it.
        administrators: ids in the charter; None: whoever signed. The key in it must be one of theirs.

    Raises:
        IntegrityError: BAD_SIGNATURE.
        PermissionDenied: BAD_INVITATION, not by one of the administrators.
    """
    try:
        header, payload, signature = compact.strip().split(".")
        key = from_base64url(parse_object(from_base64url(header, "header"), "header")["jwk"]["x"], "x")
    except (ValueError, KeyError, TypeError):
        raise _native.error("BAD_FORMAT", "this is not an invitation") from None
    _native.ed25519_verify(key, f"{header}.{payload}".encode("ascii"), from_base64url(signature, "signature"))
    content = parse_object(from_base64url(payload, "payload"), "invitation")
    if administrators is not None and _native.thumbprint(key) not in administrators:
        raise _native.error("BAD_INVITATION", "it was not signed with the key of an administrator of the charter")
    return content


class PartyRegistry:
    """The parties of an executor; Executor.parties makes it."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def get(self, party: str | None = None) -> dict[str, Any]:
        """Keys, name, roles and organisation of a party; None for the caller."""
        return self._executor.party_of(party)

    def list(self) -> list[dict[str, Any]]:
        """All parties for an administrator; those of one's own organisation, and oneself, for everybody else."""
        return self._executor.pages("party.list", "parties")

    def change(self, party: str, roles: Sequence[str]) -> dict[str, Any]:
        """Set all the roles of a party.

        Raises:
            StateError: LAST_ADMINISTRATOR.
            PermissionDenied: DENIED; a manager gives ordinary roles to ordinary members of his organisation.
        """
        return self._executor.request("party.change", {"party": party, "roles": list(roles)})

    def remove(self, party: str) -> None:
        """Remove a party: its next request is refused, and tasks that it takes part in end.

        Raises:
            StateError: LAST_ADMINISTRATOR.
        """
        self._executor.request("party.remove", {"party": party})

    def add(
        self,
        sign: bytes,
        seal: bytes,
        roles: Sequence[str],
        *,
        name: str = "",
        organisation: str | None = None,
        manages: bool = False,
    ) -> dict[str, Any]:
        """Enrol somebody, as an administrator.

        Args:
            sign, seal: public keys, as "cella id --json" prints them.
        """
        args: dict[str, Any] = {"sign": to_base64url(sign), "seal": to_base64url(seal), "roles": list(roles)}
        if name:
            args["name"] = name
        if organisation is not None:
            args["organisation"] = organisation
            args["manages"] = manages
        return self._executor.request("party.add", args)

    def invite(self, roles: Sequence[str] = ("data_owner",), **options: Any) -> str:
        """Sign an invitation to this executor; see party.invite."""
        return invite(self._executor.identity, self._executor.id, roles, **options)

    def join(self, invitation: str) -> dict[str, Any]:
        """Take what an invitation offers, as a party that is known already."""
        return self._executor.request("party.join", {"invitation": invitation.strip()})

    def revoke(self, invitation: str) -> None:
        """Make an invitation count no more, as an administrator: by its text or its id."""
        named = invitation if "." not in invitation else read_invitation(invitation)["invitation"]
        self._executor.request("invitation.revoke", {"invitation": named})

    def rotate(self, successor: Identity) -> dict[str, Any]:
        """Replace one's keys. Save the successor first: from the answer on only it is this party.

        Args:
            successor: from Identity.successor(). Its party stays, and what was sealed to the former key still opens.
        """
        executor = self._executor
        present = self.get()
        content = {
            "version": 1,
            "type": "cella rotation",
            "party": executor.party,
            "executor": executor.id,
            "number": len(present.get("rotations", ())) + 1,
            "sign": to_base64url(successor.sign_public),
            "seal": to_base64url(successor.seal_public),
        }
        text = write_json(content, "rotation")
        args = {"statement": executor.identity.sign_statement(text), "proof": successor.sign_statement(text)}
        answer = executor.request("party.rotate", args)
        executor.become(successor)
        return answer


class OrganisationRegistry:
    """The organisations of an executor; Executor.organisations makes it."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def create(self, name: str) -> str:
        """Make one, as an administrator. Returns its id."""
        return str(self._executor.request("organisation.create", {"name": name})["organisation"])

    def get(self, organisation: str) -> dict[str, Any]:
        """Name and number of members; managers, for its members and administrators."""
        return self._executor.request("organisation.get", {"organisation": organisation})

    def list(self) -> list[dict[str, Any]]:
        """All of them."""
        return self._executor.pages("organisation.list", "organisations")

    def add(self, organisation: str, party: str, *, manages: bool = False) -> dict[str, Any]:
        """Put a party into it, or make a member a manager or an ordinary one, as an administrator."""
        args = {"organisation": organisation, "party": party, "manages": manages}
        return self._executor.request("organisation.add", args)

    def remove(self, organisation: str, party: str) -> dict[str, Any]:
        """Take a party out of it: oneself, or as its manager or an administrator. It stays a party."""
        return self._executor.request("organisation.remove", {"organisation": organisation, "party": party})

    def delete(self, organisation: str) -> None:
        """End it, as an administrator. Its members stay parties."""
        self._executor.request("organisation.delete", {"organisation": organisation})
