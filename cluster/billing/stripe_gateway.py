"""The calls to Stripe, and the translation of its objects into the values of `models.billing.stripe_facts`.

Facts about API version 2026-10-28 (stripe 16.1): the period of a subscription is on its item, the subscription of an
invoice under `parent`, its payment under `payments`. Objects are no dicts: `.to_dict()` makes one, so that an absent
field reads as None.
"""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cluster.settings import BillingSettings
from models.billing.plans import version_sold_at
from models.billing.stripe_facts import CheckoutFacts, CustomerFacts, Interval, InvoiceFacts, SubscriptionFacts
from models.errors import Conflict, TrailmindError

if TYPE_CHECKING:
    from stripe import StripeClient

TOKENS_PER_PACK = 100_000
#: Objects of one customer that a fetch reads per kind; older ones stay in the mirror as they are.
_MAX_OBJECTS = 100


class BillingUnavailable(TrailmindError):
    """Stripe cannot be reached or fails; the call may be repeated."""

    code, status = "BILLING_UNAVAILABLE", 503
    retry_after_s = 5.0


class PaymentDeclined(TrailmindError):
    """Stripe refused the payment."""

    code, status = "PAYMENT_DECLINED", 402


class CallRefused(Conflict):
    """Stripe knows another state of the customer than we do, or does not have the object of the call.

    A webhook on its way usually explains it: a subscription was cancelled in Stripe's portal, a customer was deleted.
    """

    code = "BILLING_CHANGED"


class PriceMismatch(TrailmindError):
    """The price at Stripe is not the one that our plan shows."""

    code, status = "PRICE_MISMATCH", 503


class UnknownPrice(TrailmindError):
    """A subscription has a price that no setting names: its plan is not known."""

    code, status = "UNKNOWN_PRICE", 500


@dataclass(frozen=True, slots=True)
class PaidPlan:
    """What a price stands for."""

    plan: str
    interval: Interval


@dataclass(frozen=True, slots=True)
class OpenedCheckout:
    """A Checkout session: where the user pays. `amount_cents` is without tax, in the smallest unit of `currency`."""

    id: str
    url: str | None
    status: str
    amount_cents: int | None
    currency: str | None


@dataclass(frozen=True, slots=True)
class PricePreview:
    """What a change would cost now, in cents."""

    due_now_cents: int
    currency: str


class StripeGateway:
    """One Stripe account.

    Every method raises BillingUnavailable when Stripe does not answer, and CallRefused when it does not have the object
    or does not allow the call in its state.
    """

    def __init__(self, settings: BillingSettings, origin: str) -> None:
        assert settings.secret_key is not None, "billing is off"
        self._settings, self._origin = settings, origin
        self._client: StripeClient | None = None
        self._http_client: Any = None
        self._plans = {
            **{price: PaidPlan("pro", "monthly") for price in settings.pro_monthly_prices},
            **{price: PaidPlan("pro", "yearly") for price in settings.pro_yearly_prices},
        }

    @property
    def client(self) -> StripeClient:
        """The client of the SDK, made on first use: importing it takes a quarter of a second."""
        if self._client is None:
            import stripe

            assert self._settings.secret_key is not None
            self._http_client = stripe.AIOHTTPClient(timeout=20)
            self._client = stripe.StripeClient(
                self._settings.secret_key.get_secret_value(),
                base_addresses={"api": self._settings.api_url} if self._settings.api_url else {},
                http_client=self._http_client,
                max_network_retries=2,
            )
        return self._client

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._http_client.close_async()

    def price_of(self, interval: Interval) -> str:
        """The price that is sold for Pro."""
        prices = self._settings.pro_monthly_prices if interval == "monthly" else self._settings.pro_yearly_prices
        return prices[0]

    def plan_of(self, price_id: str) -> PaidPlan:
        """What a price stands for. Raises UnknownPrice."""
        if price_id not in self._plans:
            raise UnknownPrice(f"the price {price_id} is in no STRIPE_PRICE_ setting")
        return self._plans[price_id]

    # --- purchases ----------------------------------------------------------------------------------------------------

    async def create_customer(self, user_id: uuid.UUID, email: str, language: str, *, replaces: str) -> str:
        """The id of the user's customer; a repeat within a day returns the same.

        `replaces` is the id of the deleted customer that it replaces, or empty: otherwise the repeat would return that.
        """
        async with _translated_errors():
            customer = await self.client.v1.customers.create_async(
                {"email": email, "metadata": {"user_id": str(user_id)}, "preferred_locales": [language]},
                {"idempotency_key": f"customer-{user_id}-{replaces}"},
            )
        return customer.id

    async def delete_customer(self, customer_id: str) -> None:
        """Delete the customer; Stripe ends the subscriptions at once. Does nothing if it does not exist."""
        async with _translated_errors(accepted="resource_missing"):
            await self.client.v1.customers.delete_async(customer_id)

    async def open_checkout(
        self, checkout_id: uuid.UUID, user_id: uuid.UUID, customer_id: str, price_id: str, *, packs: int = 0
    ) -> OpenedCheckout:
        """A page on which the user pays: a subscription, or `packs` packs of tokens.

        Repeats with one `checkout_id` return the same session.
        """
        metadata = {"user_id": str(user_id), "checkout_id": str(checkout_id)}
        parameters: Any = {
            "mode": "payment" if packs else "subscription",
            "ui_mode": "hosted_page",
            "customer": customer_id,
            "client_reference_id": str(user_id),
            "line_items": [{"price": price_id, "quantity": packs or 1}],
            "success_url": f"{self._origin}/account?checkout={checkout_id}",
            "cancel_url": f"{self._origin}/account",
            "metadata": metadata,
        }
        if packs:
            metadata["pack_tokens"] = str(packs * TOKENS_PER_PACK)
            # Otherwise Stripe makes no invoice for a single payment.
            parameters["invoice_creation"] = {"enabled": True, "invoice_data": {"metadata": metadata}}
        else:
            parameters["subscription_data"] = {"metadata": metadata}
        if self._settings.automatic_tax:
            parameters["automatic_tax"] = {"enabled": True}
            parameters["tax_id_collection"] = {"enabled": True}
            parameters["customer_update"] = {"address": "auto", "name": "auto"}
        async with _translated_errors():
            session = await self.client.v1.checkout.sessions.create_async(
                parameters, {"idempotency_key": f"checkout-{checkout_id}"}
            )
        return _opened(session)

    async def find_checkout(self, session_id: str) -> OpenedCheckout:
        """The session as it is now."""
        async with _translated_errors():
            session = await self.client.v1.checkout.sessions.retrieve_async(session_id)
        return _opened(session)

    async def expire_checkout(self, session_id: str) -> bool:
        """Expire an open session; returns False if it was paid or has expired already."""
        try:
            async with _translated_errors():
                await self.client.v1.checkout.sessions.expire_async(session_id)
        except CallRefused:
            return False
        return True

    async def portal_url(self, customer_id: str) -> str:
        """Where the user changes the payment method and sees receipts."""
        async with _translated_errors():
            session = await self.client.v1.billing_portal.sessions.create_async(
                {"customer": customer_id, "return_url": f"{self._origin}/account"}
            )
        return session.url

    # --- changes ------------------------------------------------------------------------------------------------------

    async def set_cancellation(self, subscription_id: str, *, cancels: bool) -> None:
        """End the subscription at the end of its period, or take that back."""
        async with _translated_errors():
            await self._release_schedule(subscription_id)
            await self.client.v1.subscriptions.update_async(subscription_id, {"cancel_at_period_end": cancels})

    async def cancel_now(self, subscription_id: str) -> None:
        """End the subscription at once. Does nothing if it has ended."""
        async with _translated_errors(accepted="resource_missing"):
            await self.client.v1.subscriptions.cancel_async(subscription_id)

    async def preview_interval(self, customer_id: str, subscription_id: str, interval: Interval) -> PricePreview:
        """What `change_interval_now` would charge at once."""
        async with _translated_errors():
            subscription = await self.client.v1.subscriptions.retrieve_async(subscription_id)
            parameters: Any = {
                "customer": customer_id,
                "subscription": subscription_id,
                "subscription_details": {
                    "items": [{"id": subscription["items"].data[0].id, "price": self.price_of(interval)}],
                    "proration_behavior": "always_invoice",
                    "cancel_at_period_end": False,
                },
            }
            invoice = await self.client.v1.invoices.create_preview_async(parameters)
        return PricePreview(invoice.amount_due, invoice.currency)

    async def change_interval_now(self, subscription_id: str, interval: Interval) -> None:
        """Change the price at once; Stripe charges the difference pro rata. Raises PaymentDeclined."""
        async with _translated_errors():
            await self._release_schedule(subscription_id)
            subscription = await self.client.v1.subscriptions.retrieve_async(subscription_id)
            await self.client.v1.subscriptions.update_async(
                subscription_id,
                {
                    "items": [{"id": subscription["items"].data[0].id, "price": self.price_of(interval)}],
                    "proration_behavior": "always_invoice",
                    "payment_behavior": "error_if_incomplete",
                    "cancel_at_period_end": False,
                },
            )

    async def change_interval_later(self, subscription_id: str, interval: Interval) -> None:
        """Change the price at the end of the period, by a subscription schedule."""
        async with _translated_errors():
            await self._release_schedule(subscription_id)
            schedule = await self.client.v1.subscription_schedules.create_async({"from_subscription": subscription_id})
            phase = schedule.phases[0]
            current_price = phase["items"][0].price
            price_id = current_price if isinstance(current_price, str) else current_price.id
            unit = "month" if interval == "monthly" else "year"
            parameters: Any = {
                "end_behavior": "release",
                "phases": [
                    {
                        "items": [{"price": price_id, "quantity": 1}],
                        "start_date": phase.start_date,
                        "end_date": phase.end_date,
                    },
                    {
                        "items": [{"price": self.price_of(interval), "quantity": 1}],
                        "duration": {"interval": unit, "interval_count": 1},
                    },
                ],
            }
            await self.client.v1.subscription_schedules.update_async(schedule.id, parameters)

    async def keep_interval(self, subscription_id: str) -> None:
        """Take a change at the end of the period back."""
        async with _translated_errors():
            await self._release_schedule(subscription_id)

    async def _release_schedule(self, subscription_id: str) -> None:
        subscription = await self.client.v1.subscriptions.retrieve_async(subscription_id)
        if subscription.schedule is not None:
            schedule = subscription.schedule
            schedule_id = schedule if isinstance(schedule, str) else schedule.id
            await self.client.v1.subscription_schedules.release_async(schedule_id)

    async def refund(
        self, payment_intent: str, reason: str, *, amount_cents: int | None = None, refunded_cents: int = 0
    ) -> None:
        """Return a payment, or `amount_cents` of it. Does nothing if it was returned already.

        `refunded_cents` is what was returned before: a repeat with the same two amounts returns nothing more.
        """
        parameters: Any = {"payment_intent": payment_intent, "metadata": {"reason": reason}}
        key = f"refund-{payment_intent}"
        if amount_cents is not None:
            parameters["amount"] = amount_cents
            key += f"-{refunded_cents}-{amount_cents}"
        async with _translated_errors(accepted="charge_already_refunded"):
            await self.client.v1.refunds.create_async(parameters, {"idempotency_key": key})

    # --- reading ------------------------------------------------------------------------------------------------------

    async def related_customer(self, object_type: str, object_id: str) -> str | None:
        """The customer of an object that a webhook names; None if it has none or does not exist."""
        readers: dict[str, Any] = {
            "checkout.session": self.client.v1.checkout.sessions.retrieve_async,
            "subscription": self.client.v1.subscriptions.retrieve_async,
            "invoice": self.client.v1.invoices.retrieve_async,
            "charge": self.client.v1.charges.retrieve_async,
            "refund": self.client.v1.refunds.retrieve_async,
            "dispute": self.client.v1.disputes.retrieve_async,
            "payment_intent": self.client.v1.payment_intents.retrieve_async,
            "subscription_schedule": self.client.v1.subscription_schedules.retrieve_async,
        }
        if object_type == "customer":
            return object_id
        if object_type not in readers:
            return None
        try:
            async with _translated_errors():
                found = (await readers[object_type](object_id)).to_dict()
        except CallRefused:
            return None
        customer = _id_of(found.get("customer"))
        payment = _id_of(found.get("payment_intent"))
        return customer or (await self.related_customer("payment_intent", payment) if payment else None)

    async def live_subscriptions(self) -> AsyncIterator[tuple[str, str, str]]:
        """Every live subscription of the account as (customer, subscription, status), for the reconciliation."""
        async with _translated_errors():
            page = await self.client.v1.subscriptions.list_async({"limit": 100})
            async for subscription in page.auto_paging_iter():
                customer = _id_of(subscription.to_dict()["customer"])
                assert customer is not None
                yield customer, subscription.id, subscription.status

    async def fetch_customer(self, customer_id: str) -> CustomerFacts:
        """Everything about one customer. Raises UnknownPrice."""
        api = self.client.v1
        async with _translated_errors():
            customer = (await api.customers.retrieve_async(customer_id)).to_dict()
            query: Any = {"customer": customer_id, "limit": _MAX_OBJECTS}
            if customer.get("deleted"):
                # Stripe lists nothing of a deleted customer; the subscriptions ended with it.
                return CustomerFacts(customer_id, True, (), (), (), frozenset())
            all_statuses: Any = {**query, "status": "all"}
            with_payments: Any = {**query, "expand": ["data.payments"]}
            subscriptions = (await api.subscriptions.list_async(all_statuses)).to_dict()["data"]
            invoices = (await api.invoices.list_async(with_payments)).to_dict()["data"]
            checkouts = (await api.checkout.sessions.list_async(query)).to_dict()["data"]
            charges = (await api.charges.list_async(query)).to_dict()["data"]
            disputes = {
                charge["payment_intent"]: (await api.disputes.list_async({"charge": charge["id"]})).to_dict()["data"]
                for charge in charges
                if charge["disputed"]
            }
            schedules = {
                subscription["id"]: (
                    await api.subscription_schedules.retrieve_async(_id_of(subscription["schedule"]) or "")
                ).to_dict()
                for subscription in subscriptions
                if subscription.get("schedule")
            }
            to_confirm = {invoice["id"] for invoice in invoices if await self._waits_for_bank(invoice)}
        refunded = {charge["payment_intent"]: charge["amount_refunded"] for charge in charges}
        decided = ("won", "lost", "warning_closed", "prevented")
        return CustomerFacts(
            customer_id,
            False,
            tuple(self._subscription(s, schedules.get(s["id"])) for s in subscriptions),
            tuple(_invoice(i, refunded, needs_action=i["id"] in to_confirm) for i in invoices),
            tuple(_checkout(c) for c in checkouts),
            frozenset(p for p, found in disputes.items() if any(d["status"] not in decided for d in found)),
            frozenset(p for p, found in disputes.items() if any(d["status"] == "lost" for d in found)),
        )

    async def _waits_for_bank(self, invoice: dict[str, Any]) -> bool:
        """Whether the payment of an open invoice needs the customer's confirmation at their bank.

        The invoice itself does not say so. A renewal is charged in the customer's absence: their bank then refuses
        it with `authentication_required`, or the payment waits with the status `requires_action`.
        """
        if invoice["status"] != "open":
            return False
        for payment in (invoice.get("payments") or {}).get("data", []):
            intent_id = _id_of(payment["payment"].get("payment_intent"))
            if payment["status"] != "open" or intent_id is None:
                continue
            intent = (await self.client.v1.payment_intents.retrieve_async(intent_id)).to_dict()
            error = intent.get("last_payment_error") or {}
            if intent["status"] == "requires_action" or error.get("code") == "authentication_required":
                return True
        return False

    def _subscription(self, values: dict[str, Any], schedule: dict[str, Any] | None) -> SubscriptionFacts:
        item = values["items"]["data"][0]
        paid_plan = self.plan_of(item["price"]["id"])
        return SubscriptionFacts(
            id=values["id"],
            status=values["status"],
            price_id=item["price"]["id"],
            plan=paid_plan.plan,
            plan_version=version_sold_at(paid_plan.plan, _moment(values["start_date"])),
            interval=paid_plan.interval,
            period_start=_moment(item["current_period_start"]),
            period_end=_moment(item["current_period_end"]),
            started_at=_moment(values["start_date"]),
            cancel_at_period_end=values["cancel_at_period_end"],
            ended_at=_moment(values["ended_at"]) if values.get("ended_at") else None,
            pending_interval=self._pending_interval(schedule, paid_plan.interval),
        )

    def _pending_interval(self, schedule: dict[str, Any] | None, current: Interval) -> Interval | None:
        if schedule is None or schedule["status"] not in ("active", "not_started"):
            return None
        price = _id_of(schedule["phases"][-1]["items"][0]["price"])
        later = self.plan_of(price or "").interval
        return later if later != current else None


def _invoice(values: dict[str, Any], refunded: dict[str, int], *, needs_action: bool) -> InvoiceFacts:
    parent = values.get("parent") or {}
    details = parent.get("subscription_details") or {}
    payments = (values.get("payments") or {}).get("data", [])
    payment = next((_id_of(p["payment"].get("payment_intent")) for p in payments if p["status"] == "paid"), None)
    transitions = values["status_transitions"]
    return InvoiceFacts(
        id=values["id"],
        number=values.get("number"),
        status=values["status"],
        subscription_id=_id_of(details.get("subscription")),
        payment_intent=payment,
        amount_cents=values["total"],
        paid_cents=values["amount_paid"],
        refunded_cents=refunded.get(payment or "", 0),
        currency=values["currency"],
        period_start=_moment(values["period_start"]),
        period_end=_moment(values["period_end"]),
        hosted_url=values.get("hosted_invoice_url"),
        pdf_url=values.get("invoice_pdf"),
        was_attempted=values["attempted"],
        created_at=_moment(values["created"]),
        paid_at=_moment(transitions["paid_at"]) if transitions.get("paid_at") else None,
        needs_action=needs_action,
    )


def _checkout(values: dict[str, Any]) -> CheckoutFacts:
    metadata = values.get("metadata") or {}
    tokens = str(metadata.get("pack_tokens", "0"))
    return CheckoutFacts(
        id=values["id"],
        status=values.get("status") or "open",
        is_paid=values["payment_status"] == "paid",
        pack_tokens=int(tokens) if values["mode"] == "payment" and tokens.isdecimal() else 0,
        payment_intent=_id_of(values.get("payment_intent")),
        created_at=_moment(values["created"]),
    )


def _opened(session: Any) -> OpenedCheckout:
    return OpenedCheckout(session.id, session.url, session.status or "open", session.amount_subtotal, session.currency)


def _id_of(value: Any) -> str | None:
    """The id of a field that is an id, an expanded object, or None."""
    if isinstance(value, dict):
        return str(value["id"])
    return value if value is None else str(value)


def _moment(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@asynccontextmanager
async def _translated_errors(*, accepted: str | None = None) -> AsyncIterator[None]:
    """Raise our errors for Stripe's. `accepted` is the code of a refusal that means that nothing is left to do."""
    import stripe

    try:
        yield
    except stripe.CardError as error:
        raise PaymentDeclined(error.user_message or "the payment was declined") from error
    except stripe.InvalidRequestError as error:
        if accepted is None or error.code != accepted:
            raise CallRefused(
                f"the payment service refused this: {error.user_message or error}; load the page again"
            ) from error
    except stripe.StripeError as error:
        raise BillingUnavailable("the payment service cannot be reached; try again in a moment") from error
