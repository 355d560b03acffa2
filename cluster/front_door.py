"""The front door: what HAProxy does with a connection before a replica sees its requests.

Ray Serve writes the configuration of HAProxy anew at every change and has no setting for what is added here:

- Whose address it is. `X-Forwarded-For` of a peer that is no declared proxy is removed, and the address of the peer is
  added, so that the last entry is always true. A header with a key derived from the signing key tells the replica that
  the request came through the front door; without it a replica believes no `X-Forwarded-For` at all.
- Slow and greedy clients. Request headers must arrive within `HEADER_TIMEOUT_S`. One address may open a limited number
  of connections. A proxy carries the connections of many clients, so it is exempt, and the requests of each client
  behind it are counted instead.
- Refusals have the form of our errors. Before the balancer knows an application, every path would be a 404, which a
  client would take for a deleted session, and an unreachable backend would be a 500: both become a 503 with
  `Retry-After`. Large or many headers are refused by `serve.http.middleware`, so the limits of HAProxy are above.
- What HAProxy cannot parse (no HTTP, headers larger than its buffer, headers that come too late) is refused before a
  request exists. HAProxy answers with its built-in page of HTML and ignores `errorfile` there (`h1_send_error` in
  `src/mux_h1.c`; fixed in 3.3 and 3.2 by commit d252ec2be, and Ray's wheel has 2.8). So clients connect to a `listen`
  section in TCP mode, which passes the bytes on to the HTTP frontend through a socket, and a filter in Lua replaces
  those pages in the answers. Remove section and filter when the wheel has HAProxy 3.2 or later.
- A replica that ends while it has a request. Ray repeats a request elsewhere only when its connection was refused. GET
  and HEAD, and batches of events, whose keys are stored once, are also repeated when the connection ended without an
  answer.
- The statistics page is removed, the administration socket is for its owner only, and the metrics listen on the
  network only where `--metrics` says so.

The wrapper of `launch.haproxy_wrapper` runs this file as a script for every start of HAProxy, with the standard library
only: `python -I -S front_door.py CONFIGURATION [--loopback] [--metrics]`. A problem ends it with one sentence, and
HAProxy does not start: an open door is worse than none.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import json
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple

#: The header in which the front door proves itself to a replica.
KEY_HEADER = "X-Trailmind-Front-Door"
#: Ray Serve's header that says that a request needs no notice of a client that disconnects.
NO_DISCONNECT_HEADER = "X-Request-Disconnect-Disabled"
_IS_EVENTS = "METH_POST { path_reg ^/v1/sessions/[^/]+/events$ }"
#: In `TRAILMIND_TRUSTED_PROXIES`: clients connect to the front door directly.
NO_PROXIES = "none"
#: Open connections of one address, unless `TRAILMIND_CONNECTIONS_PER_ADDRESS` says otherwise.
DEFAULT_CONNECTIONS_PER_ADDRESS = 512
#: Time for all headers of a request, in seconds; a reused connection may be idle longer.
HEADER_TIMEOUT_S = 10
#: Time for the body of a batch of events, in seconds: as long as a replica waits for a request.
BODY_TIMEOUT_S = 60
#: Memory for the headers of one request, and their number: more than the replicas accept.
BUFFER_BYTES, MAX_HEADERS = 64 * 1024, 1000
#: Declared proxies that one request may pass; further left in `X-Forwarded-For` its client is not looked for.
MAX_PROXIES = 4
_MARK = "# Edited by Trailmind; see cluster/front_door.py."
_UNAVAILABLE = "the server is restarting; try again in a moment"
#: The statuses that HAProxy answers with after parsing: reason phrase, code and sentence of our error form.
_REFUSALS = {
    400: ("Bad Request", "BAD_REQUEST", "the request is not valid HTTP, or its headers are larger than 60 KB"),
    403: ("Forbidden", "FORBIDDEN", "this request is not allowed"),
    404: ("Not Found", "NOT_FOUND", "no such address"),
    405: ("Method Not Allowed", "METHOD_NOT_ALLOWED", "this address does not take that method"),
    408: ("Request Timeout", "REQUEST_TIMEOUT", "the request did not arrive in time; send it again"),
    413: ("Payload Too Large", "PAYLOAD_TOO_LARGE", "the request is too large"),
    425: ("Too Early", "BAD_REQUEST", "send the request again after the connection is established"),
    429: ("Too Many Requests", "RATE_LIMIT_EXCEEDED", "too many requests; wait a moment and try again"),
    500: ("Internal Server Error", "INTERNAL_SERVER_ERROR", "something went wrong on our side"),
    501: ("Not Implemented", "BAD_REQUEST", "the server does not support this kind of request"),
}
#: Replaces a built-in page of HAProxy at the end of an answer by our error file, read once from the directory given
#: as argument. Answers of replicas pass unread but for their last bytes.
_REFUSALS_LUA = r"""
local directory = ...
local files = {}
for _, status in ipairs({400, 408, 500, 501}) do
  local file = assert(io.open(directory .. "/" .. status .. ".http", "rb"))
  files[tostring(status)] = file:read("a")
  file:close()
end

-- The longest built-in page has fewer bytes.
local longest = 400
local page = "HTTP/1%.[01] (%d%d%d) [^\r]+\r\nContent%-length: %d+\r\nCache%-Control: no%-cache\r\n"
  .. "Connection: close\r\nContent%-Type: text/html\r\n\r\n<html><body><h1>[^<]+</h1>\n[^<]+</body></html>\n$"

local Refusals = {id = "Trailmind refusals"}
Refusals.__index = Refusals

function Refusals:new()
  return setmetatable({}, self)
end

function Refusals:start_analyze(txn, channel)
  if channel:is_resp() then
    filter.register_data_filter(self, channel)
  end
end

function Refusals:tcp_payload(txn, channel)
  local length = channel:input()
  local count = math.min(length, longest)
  local tail = channel:data(length - count, count)
  -- Not a text when the answer has ended.
  if type(tail) ~= "string" or tail:sub(-8) ~= "</html>\n" then
    return
  end
  local start, _, status = tail:find(page)
  local ours = start and files[status]
  if ours then
    channel:remove(length - count + start - 1, count - start + 1)
    channel:insert(ours, length - count + start - 1)
  end
end

core.register_filter("refusals", Refusals, function(refusals) return refusals end)
"""


class FrontDoorError(Exception):
    """The front door cannot be configured; the sentence names the variable."""


class FrontDoor(NamedTuple):
    """What the deployment declares about the front door."""

    key: str
    trusted_proxies: tuple[str, ...] = ()
    connections_per_address: int = DEFAULT_CONNECTIONS_PER_ADDRESS
    #: Whether every port is moved to the loopback interface.
    on_loopback: bool = False
    #: Whether the metrics of HAProxy are kept.
    has_metrics: bool = False


def front_door_key(signing_key: str) -> str:
    """The key with which the front door proves itself. A program that reads it cannot compute `signing_key`."""
    return hmac.new(signing_key.encode(), b"trailmind-front-door", hashlib.sha256).hexdigest()


def proxy_networks(names: tuple[str, ...]) -> tuple[str, ...]:
    """The networks in the value of `TRAILMIND_TRUSTED_PROXIES`; none for `none`. Raises ValueError."""
    if NO_PROXIES in names and len(names) > 1:
        raise ValueError(f"{NO_PROXIES} stands alone: it means that there is no proxy")
    return tuple(str(ipaddress.ip_network(name, strict=False)) for name in names if name != NO_PROXIES)


def front_door_from_environment(variables: dict[str, str], *, on_loopback: bool, has_metrics: bool) -> FrontDoor:
    """The front door that the environment declares. Raises FrontDoorError."""
    signing_key = variables.get("TRAILMIND_SECRET_KEY", "")
    if not signing_key:
        raise FrontDoorError("TRAILMIND_SECRET_KEY is not set, so the front door cannot prove itself to the replicas")
    names = tuple(name.strip() for name in variables.get("TRAILMIND_TRUSTED_PROXIES", "").split(",") if name.strip())
    limit = variables.get("TRAILMIND_CONNECTIONS_PER_ADDRESS", "") or str(DEFAULT_CONNECTIONS_PER_ADDRESS)
    try:
        networks = proxy_networks(names)
        return FrontDoor(front_door_key(signing_key), networks, int(limit), on_loopback, has_metrics)
    except ValueError as error:
        raise FrontDoorError(
            f"TRAILMIND_TRUSTED_PROXIES or TRAILMIND_CONNECTIONS_PER_ADDRESS is not valid: {error}"
        ) from None


def edit_configuration(text: str, door: FrontDoor, errors: Path, *, shares_port: bool = False) -> str:
    """The configuration `text` of Ray with the rules of `door`; `errors` is the directory of `write_error_files`.

    With `shares_port`, several balancers share one port of one machine, and the kernel would send connections to a
    balancer without an application; such a balancer does not listen there. A repeat changes nothing.

    Raises:
        FrontDoorError: the text has no HTTP frontend that the rules could be added to.
    """
    if text.startswith(_MARK):
        return text
    does_listen = not shares_port or re.search(r"^ *use_backend ", text, re.MULTILINE) is not None
    http_socket = _http_socket(text)
    lines, section, public_bind = [_MARK], "", ""
    for line in text.splitlines():
        words = line.split()
        if line[:1].strip():
            section = " ".join(words)
        if section == "listen stats" or (section == "frontend prometheus" and not door.has_metrics):
            continue
        if section == "global":
            line = _global_line(line, words)
        elif words[:1] == ["bind"]:
            bind = _loopback_bind(line) if door.on_loopback else line
            if section != "frontend http_frontend":
                line = bind
            else:
                public_bind = bind
                lines += [f"    bind unix@{http_socket} mode 600 accept-proxy", *_frontend_rules(door)]
                continue
        elif words[:3] == ["http-request", "return", "status"] and words[3:4] == ["404"] and "Ping" in words:
            line = f"    http-request return status 503 errorfile {errors / '503.http'}"
        elif section == "defaults" and words[:1] == ["retry-on"]:
            line = "    retry-on conn-failure empty-response"
        elif words[:1] == ["errorfile"]:
            line = f"    errorfile {words[1]} {errors / '503.http'}"
        lines.append(line)
        if line == "global":
            lines.append(f"    tune.http.maxhdr {MAX_HEADERS}")
            lines.append(f"    lua-load-per-thread {errors / 'refusals.lua'} {errors}")
        if line == "defaults":
            lines += [f"    errorfile {status} {errors / f'{status}.http'}" for status in sorted(_REFUSALS)]
    if not public_bind:
        raise FrontDoorError("the configuration of HAProxy has no `frontend http_frontend`: is this another Ray?")
    if does_listen:
        lines += _public_listener(door, public_bind, http_socket)
    return "\n".join([*lines, ""])


def fit_connections(text: str, max_files: int) -> tuple[str, int | None]:
    """`text` with no more connections than `max_files` open files suffice for, and the lower number if it was lowered.

    HAProxy 2.8 does not start with fewer open files than it computes from `maxconn`: 25,026 were needed for 10,000
    connections and 50,036 for 20,000.
    """
    possible, lowered = max((max_files - 100) * 2 // 5, 10), None

    def lower(match: re.Match[str]) -> str:
        nonlocal lowered
        if int(match["number"]) <= possible:
            return match[0]
        lowered = possible
        return f"{match['key']}{possible}"

    return re.sub(r"^(?P<key> *maxconn )(?P<number>\d+)", lower, text, flags=re.MULTILINE), lowered


def _global_line(line: str, words: list[str]) -> str:
    if words[:2] == ["stats", "socket"]:
        return line.replace("mode 666", "mode 600")
    if words[:1] == ["maxconn"]:
        # HAProxy counts a client twice: in `listen public` and in the HTTP frontend.
        return f"    maxconn {2 * int(words[1])}"
    if words[:1] == ["tune.bufsize"]:
        return f"    tune.bufsize {max(BUFFER_BYTES, int(words[1]))}"
    return line


def _http_socket(text: str) -> Path:
    """The socket of the HTTP frontend: beside the administration socket, in a directory of the owner only.

    Its name is not longer, because the path is close to the longest that HAProxy accepts.
    """
    match = re.search(r"^ *stats socket (\S+)", text, re.MULTILINE)
    if match is None:
        raise FrontDoorError("the configuration of HAProxy has no `stats socket`: is this another Ray?")
    path = Path(match[1])
    return path.with_name("h" if path.name != "h" else "f")


def _loopback_bind(line: str) -> str:
    return re.sub(r"^( *bind )(?:\*|0\.0\.0\.0)?:(?=\d)", r"\g<1>127.0.0.1:", line)


def _public_listener(door: FrontDoor, bind: str, http_socket: Path) -> list[str]:
    """What clients connect to: bytes in, bytes out, and refusals in our form."""
    is_client = "!is_proxy " if door.trusted_proxies else ""
    return [
        "listen public",
        "    mode tcp",
        # The HTTP frontend logs the requests.
        "    no log",
        bind,
        *_proxy_acl(door),
        "    stick-table type ipv6 size 100k expire 10m store conn_cur",
        # One /64 of IPv6 is one client, as in the rate limits of the replicas.
        f"    tcp-request connection track-sc0 src,ipmask(32,64){' if !is_proxy' if is_client else ''}",
        f"    tcp-request connection reject if {is_client}{{ sc0_conn_cur gt {door.connections_per_address} }}",
        "    filter lua.refusals",
        f"    server http unix@{http_socket} send-proxy-v2",
    ]


def _proxy_acl(door: FrontDoor) -> list[str]:
    return [f"    acl is_proxy src {' '.join(door.trusted_proxies)}"] if door.trusted_proxies else []


def _frontend_rules(door: FrontDoor) -> list[str]:
    return [
        f"    timeout http-request {HEADER_TIMEOUT_S}s",
        *_proxy_acl(door),
        f"    http-request del-header X-Forwarded-For{' if !is_proxy' if door.trusted_proxies else ''}",
        *(_limits_behind_proxies(door) if door.trusted_proxies else []),
        "    http-request add-header X-Forwarded-For %[src]",
        f"    http-request set-header {KEY_HEADER} {door.key}",
        # Without it, Serve runs two tasks more for each request, to cancel it when its client disconnects. Events are
        # stored all the same, and the setting is not for streams, which end with their client.
        f"    http-request del-header {NO_DISCONNECT_HEADER}",
        f"    http-request set-header {NO_DISCONNECT_HEADER} ?1 if {_IS_EVENTS}",
        # HAProxy repeats only a request of which it holds the whole body, and 64 KB at most.
        f"    http-request wait-for-body time {BODY_TIMEOUT_S}s if {_IS_EVENTS}",
        f"    http-request disable-l7-retry unless METH_GET or METH_HEAD or {_IS_EVENTS}",
    ]


def _limits_behind_proxies(door: FrontDoor) -> list[str]:
    """Limits the open requests of each client behind a declared proxy, as connections are limited without one.

    The client is the last entry of `X-Forwarded-For` that is no declared proxy, as in `serve.http.client_address`.
    """
    client, networks = "var(txn.client)", " ".join(door.trusted_proxies)
    steps = [
        f"    http-request set-var(txn.client) req.hdr_ip(X-Forwarded-For,-{position}) if "
        + ("is_proxy" if position == 1 else f"{{ {client} -m ip {networks} }}")
        for position in range(1, MAX_PROXIES + 1)
    ]
    is_client = f"{{ {client} -m found }} !{{ {client} -m ip {networks} }}"
    return [
        "    stick-table type ipv6 size 100k expire 10m store conn_cur",
        *steps,
        f"    http-request track-sc0 {client},ipmask(32,64) if {is_client}",
        f"    http-request deny deny_status 429 if {is_client} {{ sc0_conn_cur gt {door.connections_per_address} }}",
    ]


def write_error_files(directory: Path) -> None:
    """Write HAProxy's own answers in the form of our errors into `directory`, one file for each status."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    refusals = {**_REFUSALS, 503: ("Service Unavailable", "SERVICE_UNAVAILABLE", _UNAVAILABLE)}
    for status, (reason, code, message) in refusals.items():
        body = json.dumps({"error": {"message": message, "code": code}})
        head = [f"HTTP/1.1 {status} {reason}", "Content-Type: application/json", "Cache-Control: no-store"]
        head += ["Retry-After: 1"] if status in {429, 503} else []
        head += ["Connection: close"] if status in {400, 408, 500, 501} else []
        text = "\r\n".join([*head, f"Content-Length: {len(body)}", "", body])
        (directory / f"{status}.http").write_text(text, encoding="ascii", newline="")
    (directory / "refusals.lua").write_text(_REFUSALS_LUA, encoding="ascii")


def main(arguments: list[str], variables: dict[str, str]) -> None:
    """Edit the configuration file named first in `arguments`. Raises FrontDoorError."""
    path, options = Path(arguments[0]), set(arguments[1:])
    door = front_door_from_environment(
        variables, on_loopback="--loopback" in options, has_metrics="--metrics" in options
    )
    errors = path.parent / "errors"
    write_error_files(errors)
    shares_port = variables.get("SERVE_SOCKET_REUSE_PORT_ENABLED") == "1"
    # The file contains the key, so it is made for its owner only before anything is written.
    path.chmod(0o600)
    import resource  # POSIX only, and the settings import this module everywhere

    text = edit_configuration(path.read_text(encoding="utf-8"), door, errors, shares_port=shares_port)
    max_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if max_files != resource.RLIM_INFINITY:
        text, lowered = fit_connections(text, max_files)
        if lowered is not None:
            print(
                f"trailmind: {max_files} open files suffice for {lowered // 2} clients, fewer than configured: raise"
                " the limit of open files (ulimit -Hn)",
                file=sys.stderr,
            )
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    try:
        main(sys.argv[1:], dict(os.environ))
    except (FrontDoorError, OSError) as error:
        sys.exit(f"trailmind: {error}")
