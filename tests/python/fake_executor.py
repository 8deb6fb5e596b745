# SPDX-License-Identifier: Apache-2.0
"""An executor in one process, for tests of the client: docs/protocol.md in Python, with no protection at all.

TLS is Python's own, so the client's TLS meets an independent one. The exporter is computed from the key log by RFC
8446 section 7.5. Scripts run in the same process with the runtime that cells use. Every answer can be changed on
its way by a hook, which is how the tests play a lying executor or host.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cella import _native
from cella.encoding import field, from_base64url, secret_info, to_base64url
from cella.local import run_local
from cella.run import strictest
from cella.script import ISOLATION, Script

CHARTER = b'{"enrol":"open","name":"fake"}'
ALL_LAYERS = (1 << len(_native.LAYERS)) - 1
LIMITS = {
    "cpu_s": 60,
    "wall_s": 120,
    "memory_bytes": 1 << 30,
    "output_bytes": 1 << 30,
    "result_bytes": 1 << 20,
    "log_bytes": 1 << 16,
    "threads": 1,
}


class Refused(Exception):
    """An answer that is an error."""

    def __init__(self, code: str, field_name: str | None = None) -> None:
        super().__init__(code)
        self.error = _native.error(code, None, field_name)


def _hkdf_expand(hash_name: str, secret: bytes, info: bytes, size: int) -> bytes:
    out = block = b""
    counter = 1
    while len(out) < size:
        block = hmac.new(secret, block + info + bytes([counter]), hash_name).digest()
        out += block
        counter += 1
    return out[:size]


def _expand_label(hash_name: str, secret: bytes, label: bytes, context: bytes, size: int) -> bytes:
    full = b"tls13 " + label
    info = size.to_bytes(2, "big") + bytes([len(full)]) + full + bytes([len(context)]) + context
    return _hkdf_expand(hash_name, secret, info, size)


def exporter(cipher: str, exporter_secret: bytes, label: bytes, size: int) -> bytes:
    """TLS 1.3 exporter without context, from the key log's EXPORTER_SECRET."""
    hash_name = "sha384" if cipher.endswith("SHA384") else "sha256"
    empty = hashlib.new(hash_name).digest()
    derived = _expand_label(hash_name, exporter_secret, label, empty, len(empty))
    return _expand_label(hash_name, derived, b"exporter", empty, size)


class Certificate:
    """A self-signed certificate in a folder."""

    def __init__(self, folder: Path) -> None:
        self.key = folder / "key.pem"
        self.certificate = folder / "certificate.pem"
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-days",
                "1",
            ]
            + ["-subj", "/CN=cella", "-keyout", self.key, "-out", self.certificate],
            check=True,
            capture_output=True,
        )
        public = subprocess.run(
            ["openssl", "x509", "-in", self.certificate, "-noout", "-pubkey"], check=True, capture_output=True
        ).stdout
        lines = public.decode().strip().splitlines()[1:-1]
        self.spki_sha256 = hashlib.sha256(base64.b64decode("".join(lines))).digest()

    def context(self, key_log: str | None = None) -> ssl.SSLContext:
        """A server context: TLS 1.3, no tickets."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.num_tickets = 0
        context.set_alpn_protocols(["http/1.1"])
        context.load_cert_chain(self.certificate, self.key)
        if key_log is not None:
            context.keylog_filename = key_log
        return context


def to_class(content: bytes, filler: bytes) -> bytes:
    """Content with filler up to the next multiple of 4096: a class that is easy to compute."""
    return content + filler * (-len(content) % 4096 or (0 if content else 4096))


class FakeExecutor:
    """The executor.

    Hooks, all None at first:
        on_session(answer): may change the session's answer.
        on_answer(op, answer): may change any other answer, or raise.
        on_object(bytes): may change what a download delivers.
        sign_with: another exporter to sign, for a forged session.
        drop_next: op after whose execution the connection is closed without an answer, once.
        padded: pads outputs (with zero bytes) and results (with spaces) where the contract asks for it.
    """

    def __init__(self, folder: Path, *, charter: bytes = CHARTER, layers: int = ALL_LAYERS) -> None:
        self.folder = folder
        self.certificate = Certificate(folder)
        self.root = _native.Secret.generate()
        self.sign = _native.Secret.generate()
        self.seal = _native.Secret.generate()
        self.keys = _native.ed25519_public(self.sign) + _native.x25519_public(self.seal)
        self.id = _native.thumbprint(self.keys[:32])
        self.charter = charter
        self.layers = layers
        self.measurement = hashlib.sha256(b"fake executor").digest()
        self.on_session: Callable[[dict[str, Any]], dict[str, Any]] | None = None
        self.on_answer: Callable[[str, dict[str, Any]], dict[str, Any]] | None = None
        self.on_object: Callable[[bytes], bytes] | None = None
        self.drop_next: str | None = None
        self.padded = to_class
        self.connections = 0
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.bodies: list[bytes] = []
        self.parties: dict[str, dict[str, Any]] = {}
        self.sequences: dict[str, set[int]] = {}
        self.functions: dict[str, dict[str, Any]] = {}
        self.data: dict[str, dict[str, Any]] = {}
        self.tasks: dict[str, dict[str, Any]] = {}
        self.objects: dict[str, bytes] = {}
        self.lock = threading.Lock()
        self.changed = threading.Condition(self.lock)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self.listener.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.listener.close()

    def trust(self, **changes: Any) -> dict[str, Any]:
        """A trust file that accepts this executor, with changes."""
        return {
            "version": 1,
            "min_level": 2,
            "accept": ["soft"],
            "measurement": [{"name": "fake", "type": "soft", "value": "sha256:" + self.measurement.hex()}],
            "charter": {"sha256": hashlib.sha256(self.charter).hexdigest()},
            "soft": {"roots": ["ed25519:" + to_base64url(_native.ed25519_public(self.root))]},
        } | changes

    def trust_file(self, path: Path, **changes: Any) -> Path:
        """The same as TOML."""
        terms = self.trust(**changes)
        measurement = terms["measurement"][0]
        path.write_text(
            f"version = {terms['version']}\nmin_level = {terms['min_level']}\n"
            f"accept = {json.dumps(terms['accept'])}\n"
            f"[[measurement]]\nname = {json.dumps(measurement['name'])}\ntype = \"soft\"\n"
            f"value = {json.dumps(measurement['value'])}\n"
            f"[charter]\nsha256 = \"{terms['charter']['sha256']}\"\n"
            f"[soft]\nroots = {json.dumps(terms['soft']['roots'])}\n"
        )
        return path

    # TLS and HTTP

    def _accept(self) -> None:
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(plain,), daemon=True).start()

    def _serve(self, plain: socket.socket) -> None:
        with tempfile.NamedTemporaryFile(dir=self.folder) as log:
            try:
                connection = self.certificate.context(log.name).wrap_socket(plain, server_side=True)
            except (OSError, ssl.SSLError):
                plain.close()
                return
            lines = Path(log.name).read_text().splitlines()
        secret = bytes.fromhex(next(line.split()[2] for line in lines if line.startswith("EXPORTER_SECRET")))
        keying = exporter(connection.cipher()[0], secret, b"EXPORTER-cella-session-v1", 32)
        self.connections += 1
        try:
            with connection, connection.makefile("rb") as reader:
                while self._exchange(connection, reader, keying):
                    pass
        except (OSError, ValueError):
            pass

    def _exchange(self, connection: ssl.SSLSocket, reader: Any, keying: bytes) -> bool:
        request = reader.readline().decode("ascii").split()
        if len(request) != 3:
            return False
        headers = {}
        while line := reader.readline().decode("ascii").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = reader.read(int(headers.get("content-length", "0")))
        self.bodies.append(body)
        route = (request[0], request[1])
        op = ""
        try:
            if route[1].startswith("/v1/session"):
                answer: dict[str, Any] | bytes = self._session(keying, body, route[1].endswith("/fresh"))
            else:
                compact = body.decode() if route == ("POST", "/v1/requests") else headers["cella-request"]
                op, party, args = self._open_request(compact)
                answer = self._answer(op, party, args, body)
                if self.on_answer is not None and isinstance(answer, dict):
                    answer = self.on_answer(op, answer)
            status = 200
        except Refused as refusal:
            error = refusal.error
            status = {"UNKNOWN_PARTY": 401, "DENIED": 403, "NOT_FOUND": 404}.get(error.code, 400)
            text = str(error).partition(": ")[2]
            answer = {
                "error": {"code": error.code, "number": error.number, "category": error.category, "message": text}
            }
            if error.field:
                answer["error"]["field"] = error.field
        if self.drop_next is not None and self.drop_next == op:
            self.drop_next = None
            return False
        data = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        connection.sendall(f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data)
        return True

    # Session and requests

    def evidence(self, nonce: bytes = b"") -> bytes:
        """Soft evidence bound to keys, charter and nonce."""
        report_data = _native.report_data(self.keys, self.charter, nonce)
        return _native.soft_evidence(self.root, self.layers, self.measurement, report_data, int(time.time()))

    def _session(self, keying: bytes, nonce: bytes, fresh: bool) -> dict[str, Any]:
        bound = nonce if fresh else b""
        message = field(b"cella session v1") + field(keying) + field(self.certificate.spki_sha256) + field(nonce)
        answer = {
            "version": 1,
            "type": "soft",
            "evidence": to_base64url(self.evidence(bound)),
            "endorsements": "",
            "evidence_nonce": to_base64url(bound),
            "keys": to_base64url(self.keys),
            "charter": to_base64url(self.charter),
            "signature": to_base64url(_native.ed25519_sign(self.sign, message)),
        }
        return answer if self.on_session is None else self.on_session(answer)

    def _open_request(self, compact: str) -> tuple[str, str, dict[str, Any]]:
        head, payload, signature = compact.split(".")
        header = json.loads(from_base64url(head))
        if "jwk" in header:
            key = from_base64url(header["jwk"]["x"])
            party = _native.thumbprint(key)
        else:
            party = header["kid"]
            if party not in self.parties:
                raise Refused("UNKNOWN_PARTY")
            key = self.parties[party]["key"]
        _native.ed25519_verify(key, f"{head}.{payload}".encode(), from_base64url(signature))
        request = json.loads(from_base64url(payload))
        assert set(request) == {"op", "aud", "seq", "time", "args"}
        if request["aud"] != self.id:
            raise Refused("WRONG_AUDIENCE")
        seen = self.sequences.setdefault(party, set())
        if request["seq"] in seen:
            raise Refused("REPLAYED")
        seen.add(request["seq"])
        self.requests.append((request["op"], request["args"]))
        if "jwk" in header:
            assert request["op"] == "party.enrol"
            request["args"]["key"] = key
        return request["op"], party, request["args"]

    def _answer(self, op: str, party: str, args: dict[str, Any], body: bytes) -> dict[str, Any] | bytes:
        handler = getattr(self, "op_" + op.replace(".", "_"), None)
        if handler is None:
            raise Refused("UNKNOWN_OPERATION", "op")
        if op == "object.upload":
            args = args | {"body": body}
        if op == "task.watch":
            return handler(party, args)
        with self.lock:
            return handler(party, args)

    # Operations

    def op_party_enrol(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        if json.loads(self.charter)["enrol"] != "open":
            raise Refused("ENROL_CLOSED")
        if party in self.parties:
            raise Refused("EXISTS")
        seal = from_base64url(args["seal"])
        self.parties[party] = {"key": args["key"], "seal": seal, "name": args.get("name", "")}
        return {"party": party}

    def op_party_get(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        wanted = args.get("party", party)
        if wanted not in self.parties:
            raise Refused("NOT_FOUND")
        found = self.parties[wanted]
        seal, sign = to_base64url(found["seal"]), to_base64url(found["key"])
        return {"party": wanted, "sign": sign, "seal": seal, "name": found["name"]}

    def op_executor_info(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        return {
            "version": "0.1.0",
            "executor": self.id,
            "profiles": [{"name": "python", "version": "3.11.2"}, {"name": "numpy", "version": "3.11.2"}],
            "builtins": ["echo"],
            "layers": list(_native.LAYERS),
            "limits": LIMITS,
            "measurement": "sha256:" + self.measurement.hex(),
        }

    def op_function_register(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        if "package" in args:
            package = from_base64url(args["package"])
        else:
            info = secret_info("package", party.encode())
            package = _native.hpke_open(self.seal, info, from_base64url(args["sealed_package"])).export()
        name = "function-" + secrets.token_hex(16)
        spec = json.loads(package)
        digest = hashlib.sha256(package).hexdigest()
        self.functions[name] = {"owner": party, "sha256": digest, "spec": spec}
        return {"function": name, "version": 1, "sha256": digest}

    def _function(self, name: str, party: str) -> dict[str, Any]:
        if name not in self.functions:
            raise Refused("NOT_FOUND")
        found = self.functions[name]
        spec = dict(found["spec"])
        source = spec.pop("source", None)
        answer = {"function": name, "owner": found["owner"], "sha256": found["sha256"]}
        answer |= {"public": spec["public"], "spec": spec}
        if source is not None and (spec["public"] or party == found["owner"]):
            answer["source"] = source
        return answer

    def op_function_get(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        return self._function(args["function"], party)

    def op_function_list(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        shown = [
            self._function(name, party)
            for name, item in self.functions.items()
            if item["owner"] == party or item["spec"]["public"]
        ]
        for item in shown:
            item.pop("source", None)
        return {"functions": shown}

    def op_data_register(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        name = "data-" + secrets.token_hex(16)
        info = secret_info("data key", party.encode("ascii") + bytes.fromhex(args["sha256"]))
        key = _native.hpke_open(self.seal, info, from_base64url(args["sealed_key"]))
        self.data[name] = dict(args) | {"owner": party, "key": key}
        return {"data": name}

    def _data(self, name: str) -> dict[str, Any]:
        found = self.data[name]
        return {
            "data": name,
            "name": found["name"],
            "owners": [found["owner"]],
            "sha256": found["sha256"],
            "size": found["size"],
            "stored": name in self.objects,
        }

    def op_data_get(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        if args["data"] not in self.data:
            raise Refused("NOT_FOUND")
        return self._data(args["data"])

    def op_data_list(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        return {"data": [self._data(name) for name, item in self.data.items() if item["owner"] == party]}

    def op_object_upload(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        found = self.data[args["data"]]
        if args["data"] in self.objects:
            raise Refused("EXISTS")
        if hashlib.sha256(args["body"]).hexdigest() != found["sha256"]:
            raise Refused("BAD_DIGEST")
        self.objects[args["data"]] = args["body"]
        return {"data": args["data"], "stored": True}

    def op_object_download(self, party: str, args: dict[str, Any]) -> bytes:
        key = args.get("data") or f"{args['task']}/{args['output']}"
        data = self.objects[key]
        return data if self.on_object is None else self.on_object(data)

    def op_task_create(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        function = self.functions.get(args["function"])
        if function is None:
            raise Refused("NOT_FOUND", "function")
        name = "task-" + secrets.token_hex(16)
        outputs = args.get("outputs", {})
        inputs = args.get("inputs", {})
        people = [party]
        for item in [*inputs.values()]:
            people += item["owners"]
        for item in outputs.values():
            people += item["receivers"]
        if not function["spec"]["public"]:
            people.append(function["owner"])
        task = {
            "task": name,
            "version": 1,
            "state": "created",
            "creator": party,
            "function": args["function"],
            "function_sha256": function["sha256"],
            "participants": sorted(set(people)),
            "approved": [],
            "inputs": inputs,
            "outputs": outputs,
            "arguments": args.get("arguments", {}),
            "result_to": args.get("result", {}).get("receivers", [party]),
            "isolation": strictest(
                {member: words[0] for member, words in ISOLATION.items()},
                function["spec"].get("isolation", {}),
                args.get("isolation", {}),
            ),
            "messages_to": args.get("messages", {}).get("receivers", [party] if len(set(people)) == 1 else []),
        }
        self.tasks[name] = task
        self._settle(task)
        if args.get("invoke"):
            self._invoke(task)
        return self._brief(task)

    def _brief(self, task: dict[str, Any]) -> dict[str, Any]:
        return {"task": task["task"], "state": task["state"], "version": task["version"]}

    def _set(self, task: dict[str, Any], **facts: Any) -> None:
        task.update(facts)
        task["version"] += 1
        self.changed.notify_all()

    def _settle(self, task: dict[str, Any]) -> None:
        if task["state"] == "created" and all("data" in item for item in task["inputs"].values()):
            self._set(task, state="assigned", contract=self._contract(task))
            if len(task["participants"]) == 1:
                self._set(task, state="approved", approved=task["participants"])

    def _contract(self, task: dict[str, Any]) -> bytes:
        function = self.functions[task["function"]]
        spec = function["spec"]
        inputs = {
            name: item | {"sha256": self.data[item["data"]]["sha256"], "size": self.data[item["data"]]["size"]}
            for name, item in task["inputs"].items()
        }
        terms = {
            "version": 1,
            "task": task["task"],
            "executor": self.id,
            "measurements": ["sha256:" + self.measurement.hex()],
            "creator": task["creator"],
            "function": {"function": task["function"], "name": spec["name"], "owner": function["owner"]}
            | {"sha256": function["sha256"], "public": spec["public"], "executor": spec["executor"]}
            | {"profile": spec.get("profile", "python"), "entry": spec["entry"]}
            | {"version": 1, "quota": -1, "audited_by": []},
            "arguments": task["arguments"],
            "inputs": inputs,
            "outputs": task["outputs"],
            "result": {"receivers": task["result_to"]},
            "messages": {"receivers": task["messages_to"]},
            "limits": LIMITS | ({"threads": 0} if task["isolation"]["clock"] == "coarse" else {}),
            "isolation": task["isolation"],
            "participants": task["participants"],
            "attempts": 1,
            "expires": 2000000000,
        }
        return json.dumps(terms).encode()

    def _task(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        task = self.tasks.get(args["task"])
        if task is None or party not in task["participants"]:
            raise Refused("NOT_FOUND", "task")
        return task

    def op_task_assign(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        task = self._task(party, args)
        for name, data in args["inputs"].items():
            if self.data[data]["owner"] != party or party not in task["inputs"][name]["owners"]:
                raise Refused("DENIED", name)
            task["inputs"][name]["data"] = data
        self._settle(task)
        return self._brief(task)

    def op_task_contract(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        task = self._task(party, args)
        if "contract" not in task:
            raise Refused("NOT_ASSIGNED")
        return {"contract": to_base64url(task["contract"]), "sha256": hashlib.sha256(task["contract"]).hexdigest()}

    def op_task_approve(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        task = self._task(party, args)
        if args["contract"] != hashlib.sha256(task["contract"]).hexdigest():
            raise Refused("WRONG_CONTRACT")
        self._set(task, approved=sorted({*task["approved"], party}))
        if task["approved"] == task["participants"]:
            self._set(task, state="approved")
        return self._brief(task)

    def op_task_invoke(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        task = self._task(party, args)
        self._invoke(task)
        return self._brief(task)

    def _invoke(self, task: dict[str, Any]) -> None:
        if task["state"] != "approved":
            raise Refused("NOT_APPROVED")
        self._set(task, state="queued")
        threading.Thread(target=self._run, args=(task,), daemon=True).start()

    def op_task_cancel(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        task = self._task(party, args)
        if task["state"] in ("finished", "failed", "cancelled"):
            raise Refused("BAD_STATE")
        self._set(task, state="cancelled", error=_wire(_native.error("CANCELLED")))
        return self._brief(task)

    def op_task_get(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        return self._view(self._task(party, args), party)

    def op_task_watch(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        with self.changed:
            task = self._task(party, args)
            done = ("finished", "failed", "cancelled")
            self.changed.wait_for(
                lambda: task["state"] in done or (task["version"] > args["version"] and not args.get("over")),
                timeout=2.0,
            )
            return self._view(task, party)

    def op_task_list(self, party: str, args: dict[str, Any]) -> dict[str, Any]:
        mine = [task for task in self.tasks.values() if party in task["participants"]]
        return {"tasks": [self._brief(task) | {"function": task["function"]} for task in mine]}

    def _view(self, task: dict[str, Any], party: str) -> dict[str, Any]:
        shown = {
            name: task[name] for name in ("task", "version", "state", "creator", "function", "function_sha256")
        }
        shown |= {"participants": task["participants"], "approved": task["approved"], "inputs": task["inputs"]}
        shown["isolation"] = task["isolation"]
        shown["outputs"] = {}
        for name, item in task["outputs"].items():
            facts = {key: value for key, value in item.items() if key not in ("key", "true_size")}
            if "key" in item and party in item["receivers"]:
                context = f"{task['task']}/{name}/{item['sha256']}".encode()
                plain = item["key"].export() + item["true_size"]
                facts["sealed_key"] = self._seal_to(party, "output key", context, plain)
            shown["outputs"][name] = facts
        for name in ("error", "usage", "progress"):
            if name in task:
                shown[name] = task[name]
        context = task["task"].encode()
        for name, receivers in (("result", task["result_to"]), ("messages", task["messages_to"])):
            if f"{name}_text" in task and party in receivers:
                shown[name] = self._seal_to(party, name, context, task[f"{name}_text"])
        return shown

    def _seal_to(self, party: str, purpose: str, context: bytes, plain: Any) -> str:
        return to_base64url(_native.hpke_seal(self.parties[party]["seal"], secret_info(purpose, context), plain))

    # Running

    def _run(self, task: dict[str, Any]) -> None:
        with self.changed:
            if task["state"] != "queued":
                return
            self._set(task, state="running", progress={"fraction": 0.5, "text": "half"})
        spec = self.functions[task["function"]]["spec"]
        time.sleep(0.05)  # so that whoever watches sees it running
        try:
            inputs = {name: self._plain(item["data"]) for name, item in task["inputs"].items()}
            script = Script.parse(spec["source"], spec["name"] + ".py", spec["entry"])
            run = run_local(script, inputs, list(task["outputs"]), task["arguments"])
        except _native.CellaError as error:
            messages = {
                "error_message": error.script_message or "",
                "traceback": error.traceback_text or "",
                "log": "",
            }
            with self.changed:
                self._set(task, state="failed", error=_wire(error), messages_text=json.dumps(messages).encode())
            return
        padding = task["isolation"]["sizes"] == "padded"
        with self.changed:
            if task["state"] != "running":
                return
            for name, output in run.outputs.items():
                key = _native.Secret.generate()
                sealer = _native.Sealer(key, f"cella output v1/{task['task']}/{name}".encode())
                content = output.bytes()
                sealed = sealer.update(self.padded(content, b"\0") if padding else content) + sealer.finish()
                self.objects[f"{task['task']}/{name}"] = sealed
                task["outputs"][name] |= {
                    "key": key,
                    "true_size": len(content).to_bytes(8, "big") if padding else b"",
                    "size": len(sealed),
                    "sha256": hashlib.sha256(sealed).hexdigest(),
                }
            usage = {"cpu_us": 1, "wall_us": 2, "peak_kib": 3, "bytes_in": 4, "bytes_out": 5}
            result = json.dumps(run.result()).encode()
            self._set(task, state="finished", result_text=self.padded(result, b" ") if padding else result, usage=usage)

    def _plain(self, name: str) -> bytes:
        found = self.data[name]
        opener = _native.Opener(found["key"], from_base64url(found["associated_data"]), found["segment"])
        return opener.update(self.objects[name]) + opener.finish()


def _wire(error: Any) -> dict[str, Any]:
    row = next(row for row in _native.status_table() if row[0] == error.code)
    wire = {"code": error.code, "number": error.number, "message": row[4]}
    if error.script_class:
        wire |= {"class": error.script_class, "line": error.line or 0}
    return wire
