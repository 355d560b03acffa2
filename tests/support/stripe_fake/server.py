"""Serves a `FakeStripe` on a loopback port, and signs the webhooks that it sends."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from launch.ray_environment import free_ports
from tests.support.stripe_fake.contract import check_object, check_reply, operation_of, request_parameters
from tests.support.stripe_fake.state import FakeStripe, Object, StripeFailure

API_KEY = "sk_test_of_the_tests"


@dataclass
class StripeServer:
    """A running fake: its state, its URL, and what it found wrong with the product's requests."""

    state: FakeStripe
    url: str = ""
    #: Requests or replies that do not fit Stripe's OpenAPI document.
    violations: list[str] = field(default_factory=list)
    #: Failures that the next calls of an operation receive: operation → statuses.
    failures: dict[str, list[int]] = field(default_factory=dict)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _replies: dict[str, tuple[str, int, Any]] = field(default_factory=dict)

    async def handle(self, request: Request) -> Response:
        """Answer one call of the API."""
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            return JSONResponse({"error": {"type": "invalid_request_error", "message": "Invalid API Key"}}, 401)
        matched = operation_of(request.method, request.url.path)
        if matched is None:
            self.violations.append(f"unknown operation {request.method} {request.url.path}")
            return JSONResponse({"error": {"type": "invalid_request_error", "message": "Unrecognized URL"}}, 404)
        operation, path_values = matched
        body = (await request.body()).decode()
        with self._lock:
            self.state.calls.append(operation)
            if self.failures.get(operation):
                status = self.failures[operation].pop(0)
                return JSONResponse({"error": {"type": "api_error", "message": "try again"}}, status)
            key = request.headers.get("idempotency-key") if request.method == "POST" else None
            if key in self._replies:
                first_body, status, reply = self._replies[key]
                if first_body != operation + body:
                    error = {"type": "idempotency_error", "message": "Keys for idempotent requests can only be used"}
                    return JSONResponse({"error": error}, 400)
                return JSONResponse(reply, status, {"idempotent-replayed": "true"})
            status, reply = self._answer(operation, path_values, request.url.query, body)
            if key is not None and status < 500:
                self._replies[key] = (operation + body, status, reply)
        return JSONResponse(reply, status)

    def _answer(self, operation: str, path_values: tuple[str, ...], query: str, body: str) -> tuple[int, Any]:
        try:
            values = request_parameters(operation, parse_qsl(query), parse_qsl(body, keep_blank_values=True))
            values.pop("expand", None)
            reply = json.loads(json.dumps(_OPERATIONS[operation](self.state, *path_values, **values)))
            check_reply(operation, reply)
        except StripeFailure as failure:
            return failure.status, failure.body
        except (AssertionError, KeyError, TypeError) as error:
            self.violations.append(f"{operation}: {error!r}"[:2000])
            return 400, {"error": {"type": "invalid_request_error", "message": str(error)[:500]}}
        return 200, reply


def _page(objects: list[Object], limit: int = 10, starting_after: str | None = None, **_: Any) -> Object:
    if starting_after is not None:
        ids = [o["id"] for o in objects]
        objects = objects[ids.index(starting_after) + 1 :]
    return {"object": "list", "data": objects[:limit], "has_more": len(objects) > limit, "url": "/v1/list"}


def _list_subscriptions(state: FakeStripe, status: str = "live", **values: Any) -> Object:
    customer = values.pop("customer", None)
    subscriptions = state.of_customer("subscription", customer) if customer else state.all("subscription")
    if status == "live":
        subscriptions = [s for s in subscriptions if s["status"] != "canceled"]
    elif status != "all":
        subscriptions = [s for s in subscriptions if s["status"] == status]
    return _page(subscriptions, **values)


def _list_of(kind: str) -> Any:
    def answer(state: FakeStripe, customer: str | None = None, **values: Any) -> Object:
        return _page(state.of_customer(kind, customer) if customer else state.all(kind), **values)

    return answer


def _get_customer(state: FakeStripe, customer: str) -> Object:
    if customer in state.objects.get("deleted_customer", {}):
        return {"id": customer, "object": "customer", "deleted": True}
    return state.get("customer", customer)


def _update_customer(state: FakeStripe, customer: str, **values: Any) -> Object:
    stored = state.get("customer", customer)
    stored["metadata"].update(values.pop("metadata", {}))
    stored.update(values)
    return stored


def _update_subscription(state: FakeStripe, subscription: str, **values: Any) -> Object:
    if "items" in values:
        # The only way in which the product changes a price: charged at once, refused when the payment fails.
        assert values.pop("proration_behavior") == "always_invoice"
        assert values.pop("payment_behavior") == "error_if_incomplete"
    return state.update_subscription(subscription, **values)


def _preview(state: FakeStripe, customer: str, subscription: str, **values: Any) -> Object:
    details = values.pop("subscription_details")
    assert details.pop("proration_behavior") == "always_invoice"
    return state.preview_change(customer, subscription, details["items"][0]["price"])


def _portal(state: FakeStripe, customer: str, **values: Any) -> Object:
    state.get("customer", customer)
    return {"id": "bps_1", "object": "billing_portal.session", "configuration": "bpc_1", "created": state.now,
            "customer": customer, "livemode": False, "url": f"https://billing.stripe.test/p/{customer}", "flow": None,
            "locale": None, "on_behalf_of": None, "return_url": values.get("return_url")}  # fmt: skip


def _payment_intent(state: FakeStripe, intent: str) -> Object:
    if intent in state.objects.get("payment_intent", {}):
        return state.get("payment_intent", intent)
    charge = state.charge_of(intent)
    return {
        "id": intent,
        "object": "payment_intent",
        "created": charge["created"],
        "livemode": False,
        "status": "succeeded",
        "amount": charge["amount"],
        "currency": "usd",
        "customer": charge["customer"],
        "latest_charge": charge["id"],
        "metadata": {},
    }


def _refunds(state: FakeStripe, payment_intent: str | None = None, charge: str | None = None, **values: Any) -> Object:
    refunds = [
        r
        for r in state.all("refund")
        if payment_intent in (None, r["payment_intent"]) and charge in (None, r["charge"])
    ]
    return _page(refunds, **values)


def _disputes(state: FakeStripe, payment_intent: str | None = None, charge: str | None = None, **values: Any) -> Object:
    disputes = [
        d
        for d in state.all("dispute")
        if payment_intent in (None, d["payment_intent"]) and charge in (None, d["charge"])
    ]
    return _page(disputes, **values)


_OPERATIONS: dict[str, Any] = {
    "POST /v1/customers": lambda state, **values: state.create_customer(**values),
    "GET /v1/customers/{customer}": _get_customer,
    "POST /v1/customers/{customer}": _update_customer,
    "DELETE /v1/customers/{customer}": lambda state, customer: state.delete_customer(customer),
    "GET /v1/prices/{price}": lambda state, price: state.price(price),
    "POST /v1/checkout/sessions": lambda state, **values: state.create_session(**values),
    "GET /v1/checkout/sessions": _list_of("checkout.session"),
    "GET /v1/checkout/sessions/{session}": lambda state, session: state.get("checkout.session", session),
    "POST /v1/checkout/sessions/{session}/expire": lambda state, session: state.expire_session(session),
    "POST /v1/billing_portal/sessions": _portal,
    "GET /v1/subscriptions": _list_subscriptions,
    "GET /v1/subscriptions/{subscription_exposed_id}": lambda state, sub: state.get("subscription", sub),
    "POST /v1/subscriptions/{subscription_exposed_id}": _update_subscription,
    "DELETE /v1/subscriptions/{subscription_exposed_id}": lambda state, sub, **values: state.cancel(
        state.get("subscription", sub)
    ),
    "POST /v1/subscription_schedules": lambda state, **values: state.create_schedule(**values),
    "GET /v1/subscription_schedules/{schedule}": lambda state, s: state.get("subscription_schedule", s),
    "POST /v1/subscription_schedules/{schedule}": lambda state, s, **values: state.update_schedule(s, **values),
    "POST /v1/subscription_schedules/{schedule}/release": lambda state, s: state.release_schedule(s),
    "GET /v1/invoices": _list_of("invoice"),
    "POST /v1/invoices/create_preview": _preview,
    "GET /v1/invoices/{invoice}": lambda state, invoice: state.get("invoice", invoice),
    "GET /v1/payment_intents/{intent}": _payment_intent,
    "GET /v1/charges/{charge}": lambda state, charge: state.get("charge", charge),
    "GET /v1/refunds/{refund}": lambda state, refund: state.get("refund", refund),
    "GET /v1/disputes/{dispute}": lambda state, dispute: state.get("dispute", dispute),
    "GET /v1/charges": _list_of("charge"),
    "POST /v1/refunds": lambda state, **values: state.create_refund(**values),
    "GET /v1/refunds": _refunds,
    "GET /v1/disputes": _disputes,
}


def signed(payload: bytes, secret: str, at: float | None = None) -> str:
    """The `Stripe-Signature` header of a payload: https://docs.stripe.com/webhooks#verify-manually."""
    timestamp = int(time.time() if at is None else at)
    digest = hmac.new(secret.encode(), f"{timestamp}.".encode() + payload, hashlib.sha256).hexdigest()
    return f"t={timestamp},v1={digest}"


def snapshot_payload(event: Object) -> bytes:
    """A webhook with the whole object, as Stripe sends it."""
    check_object(event)
    check_object(event["data"]["object"])
    return json.dumps(event).encode()


def thin_payload(event: Object) -> bytes:
    """The same event as a thin notification: only the id of the object, which has to be fetched."""
    about = event["data"]["object"]
    thin = {
        "id": event["id"],
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "livemode": False,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(event["created"])),
        "related_object": {"id": about["id"], "type": about["object"], "url": f"/v1/{about['object']}s/{about['id']}"},
    }
    return json.dumps(thin).encode()


@contextmanager
def running_stripe(state: FakeStripe | None = None) -> Iterator[StripeServer]:
    """Serve the fake in a thread; fails at the end if a request or reply did not fit Stripe's document."""
    (port,) = free_ports(1)
    server = StripeServer(state or FakeStripe(), f"http://127.0.0.1:{port}")
    app = Starlette(routes=[Route("/{path:path}", server.handle, methods=["GET", "POST", "DELETE"])])
    uvicorn_server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="error", lifespan="off"))
    thread = threading.Thread(target=uvicorn_server.run, daemon=True)
    thread.start()
    deadline = time.monotonic() + 30
    while not uvicorn_server.started:
        assert thread.is_alive()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield server
    finally:
        uvicorn_server.should_exit = True
        thread.join(timeout=30)
    assert server.violations == []
