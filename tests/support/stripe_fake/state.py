"""The state of the fake: customers, subscriptions and money, on a clock that tests move.

Only what Trailmind uses is here. The shapes are those of Stripe's OpenAPI document (`openapi.json`), the behaviour that
of Stripe's documentation: https://docs.stripe.com/billing/subscriptions/overview.
"""

from __future__ import annotations

import calendar
import copy
import itertools
import random
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

PRO_MONTHLY, PRO_YEARLY, PACK_PRICE = "price_pro_monthly", "price_pro_yearly", "price_token_pack"
_AMOUNTS = {PRO_MONTHLY: 1200, PRO_YEARLY: 11500, PACK_PRICE: 500}
_INTERVALS = {PRO_MONTHLY: "month", PRO_YEARLY: "year"}
DAY = 86_400
#: Days after the first failed payment on which the payment is tried again; after the last the subscription ends.
RETRY_DAYS = (3, 5, 7)

Object = dict[str, Any]


class StripeFailure(Exception):
    """An error reply of the API."""

    def __init__(self, status: int, code: str, message: str, error_type: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status, self.body = status, {"error": {"code": code, "message": message, "type": error_type}}


def add_months(moment: int, months: int, anchor_day: int) -> int:
    """`moment` moved by whole months, on the anchor's day or the last day of a shorter month."""
    start = datetime.fromtimestamp(moment, UTC)
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    day = min(anchor_day, calendar.monthrange(year, month + 1)[1])
    return int(start.replace(year=year, month=month + 1, day=day).timestamp())


@dataclass
class FakeStripe:
    """The account at Stripe. `now` stands still until a test moves it with `advance`."""

    now: int = field(default_factory=lambda: int(time.time()))
    #: Customers whose payments fail.
    declined: set[str] = field(default_factory=set)
    #: Customers whose bank wants every payment confirmed by them.
    needs_confirmation: set[str] = field(default_factory=set)
    objects: dict[str, dict[str, Object]] = field(default_factory=dict)
    #: Events in the order in which they happened.
    events: list[Object] = field(default_factory=list)
    #: What the account charges, and what its prices are, in the smallest unit of the currency.
    currency: str = "usd"
    amounts: dict[str, int] = field(default_factory=lambda: dict(_AMOUNTS))
    #: Whether a subscription becomes unpaid when its retries are used up, instead of ending.
    suspends_unpaid: bool = False
    calls: list[str] = field(default_factory=list)
    api_version: str = "2026-10-28.endive"
    #: Part of every id: the tests of one database have accounts of their own.
    _account: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    # --- storage ------------------------------------------------------------------------------------------------------

    def all(self, kind: str) -> list[Object]:
        """All objects of a kind, the newest first."""
        return sorted(self.objects.get(kind, {}).values(), key=lambda o: (-o["created"], o["id"]))

    def of_customer(self, kind: str, customer: str) -> list[Object]:
        """The objects of a kind of one customer, the newest first."""
        return [o for o in self.all(kind) if o.get("customer") == customer]

    def get(self, kind: str, object_id: str) -> Object:
        """The object. Raises StripeFailure 404."""
        found = self.objects.get(kind, {}).get(object_id)
        if found is None:
            raise StripeFailure(404, "resource_missing", f"No such {kind}: '{object_id}'")
        return found

    def _new(self, kind: str, prefix: str, **values: Any) -> Object:
        # Ids sort in the order of creation, so objects of one second keep their order.
        created = {
            "id": f"{prefix}_{self._account}{10_000_000 - next(self._numbers):08d}",
            "object": kind,
            "created": self.now,
            "livemode": False,
            **values,
        }
        self.objects.setdefault(kind, {})[created["id"]] = created
        return created

    def emit(self, event_type: str, about: Object) -> Object:
        """Record an event with a copy of the object as it is now."""
        event = self._new(
            "event",
            "evt",
            type=event_type,
            api_version=self.api_version,
            data={"object": copy.deepcopy(about)},
            pending_webhooks=1,
            request={"id": None, "idempotency_key": None},
        )
        self.events.append(event)
        return event

    # --- customers and prices -----------------------------------------------------------------------------------------

    def create_customer(self, **values: Any) -> Object:
        """A new customer."""
        metadata = values.pop("metadata", {})
        customer = self._new("customer", "cus", email=values.get("email"), metadata=metadata, address=None, balance=0,
                             delinquent=False, description=None, shipping=None, tax_exempt="none", test_clock=None,
                             default_source=None, preferred_locales=values.get("preferred_locales", []))  # fmt: skip
        self.emit("customer.created", customer)
        return customer

    def delete_customer(self, customer_id: str) -> Object:
        """Delete a customer; their subscriptions end at once."""
        customer = self.get("customer", customer_id)
        for subscription in self.of_customer("subscription", customer_id):
            if subscription["status"] not in ("canceled", "incomplete_expired"):
                self.cancel(subscription)
        del self.objects["customer"][customer_id]
        self.objects.setdefault("deleted_customer", {})[customer_id] = {}
        self.emit("customer.deleted", customer)
        return {"id": customer_id, "object": "customer", "deleted": True}

    def price(self, price_id: str) -> Object:
        """The price. Raises StripeFailure if the account has none of this id."""
        if price_id not in self.amounts:
            raise StripeFailure(400, "resource_missing", f"No such price: '{price_id}'")
        interval = _INTERVALS.get(price_id)
        recurring = {"interval": interval, "interval_count": 1, "meter": None, "usage_type": "licensed"}
        return {
            "id": price_id, "object": "price", "active": True, "billing_scheme": "per_unit", "created": self.now,
            "currency": self.currency, "livemode": False, "metadata": {},
            "product": "prod_pro" if interval else "prod_pack",
            "type": "recurring" if interval else "one_time", "recurring": recurring if interval else None,
            "unit_amount": self.amounts[price_id], "lookup_key": None, "nickname": None, "custom_unit_amount": None,
            "tax_behavior": "unspecified", "tiers_mode": None, "transform_quantity": None,
            "unit_amount_decimal": str(self.amounts[price_id]),
        }  # fmt: skip

    # --- checkout -----------------------------------------------------------------------------------------------------

    def create_session(self, **values: Any) -> Object:
        """An open Checkout session."""
        self.get("customer", values["customer"])
        amount = sum(self.amounts[self.price(i["price"])["id"]] * i.get("quantity", 1) for i in values["line_items"])
        session = self._new(
            "checkout.session", "cs", mode=values["mode"], customer=values["customer"], status="open",
            payment_status="unpaid", success_url=values.get("success_url"), cancel_url=values.get("cancel_url"),
            client_reference_id=values.get("client_reference_id"), metadata=values.get("metadata", {}),
            amount_total=amount, amount_subtotal=amount, currency=self.currency,
            expires_at=values.get("expires_at", self.now + DAY),
            automatic_tax={"enabled": values.get("automatic_tax", {}).get("enabled", False), "liability": None,
                           "provider": None, "status": None},
            custom_fields=[], custom_text={"after_submit": None, "shipping_address": None, "submit": None,
                                           "terms_of_service_acceptance": None},
            payment_method_types=["card"], shipping_options=[], subscription=None, payment_intent=None, invoice=None,
            ui_mode=values.get("ui_mode", "hosted_page"),
        )  # fmt: skip
        session["url"] = f"https://checkout.stripe.test/c/{session['id']}"
        self._session_extras[session["id"]] = values
        return session

    @property
    def _session_extras(self) -> dict[str, Any]:
        return self.objects.setdefault("session_extras", {})

    def expire_session(self, session_id: str) -> Object:
        """Expire an open session. Raises StripeFailure for one that is not open."""
        session = self.get("checkout.session", session_id)
        if session["status"] != "open":
            raise StripeFailure(
                400, "resource_already_exists", f"Only open sessions can be expired, this is {session['status']}"
            )
        session.update(status="expired", url=None)
        self.emit("checkout.session.expired", session)
        return session

    def complete_checkout(self, session_id: str, *, pays_later: bool = False) -> Object:
        """What the customer does on Stripe's page: pay. `pays_later` leaves a bank payment unconfirmed."""
        session = self.get("checkout.session", session_id)
        assert session["status"] == "open", session["status"]
        values = self._session_extras[session_id]
        session.update(status="complete", url=None)
        if session["mode"] == "subscription":
            metadata = values.get("subscription_data", {}).get("metadata", {})
            subscription = self.subscribe(session["customer"], values["line_items"][0]["price"], metadata)
            session.update(
                subscription=subscription["id"], invoice=subscription["latest_invoice"], payment_status="paid"
            )
        else:
            metadata = values.get("invoice_creation", {}).get("invoice_data", {}).get("metadata", {})
            if not pays_later:
                self._pay_for_pack(session, metadata)
        self.emit("checkout.session.completed", session)
        return session

    def confirm_late_payment(self, session_id: str) -> None:
        """A payment that was left unconfirmed succeeds."""
        session = self.get("checkout.session", session_id)
        self._pay_for_pack(session, self._session_extras[session_id].get("metadata", {}))
        self.emit("checkout.session.async_payment_succeeded", session)

    def _pay_for_pack(self, session: Object, metadata: dict[str, str]) -> None:
        invoice = self._create_invoice(
            session["customer"], session["amount_total"], "manual", (self.now, self.now), metadata=metadata
        )
        self._pay(invoice)
        session.update(payment_status="paid", invoice=invoice["id"], payment_intent=self.intent_of(invoice))

    # --- subscriptions ------------------------------------------------------------------------------------------------

    def _item(self, price_id: str, start: int, subscription_id: str) -> Object:
        months = 12 if _INTERVALS[price_id] == "year" else 1
        end = add_months(start, months, datetime.fromtimestamp(start, UTC).day)
        item = self._new("subscription_item", "si", price=self.price(price_id), current_period_start=start,
                         current_period_end=end, discounts=[], metadata={}, quantity=1, subscription=subscription_id,
                         billing_thresholds=None, tax_rates=[])  # fmt: skip
        del item["livemode"]
        return item

    def subscribe(self, customer: str, price_id: str, metadata: dict[str, str]) -> Object:
        """A subscription whose first period is paid."""
        subscription = self._new(
            "subscription", "sub", customer=customer, status="active", cancel_at_period_end=False, cancel_at=None,
            canceled_at=None, ended_at=None, start_date=self.now, billing_cycle_anchor=self.now, currency=self.currency,
            metadata=metadata, collection_method="charge_automatically", discounts=[], schedule=None,
            automatic_tax={"disabled_reason": None, "enabled": False, "liability": None},
            billing_mode={"type": "flexible", "flexible": None, "updated_at": self.now}, billing_schedules=[],
            invoice_settings={"account_tax_ids": None, "issuer": {"type": "self"}}, latest_invoice=None,
            trial_start=None, trial_end=None, pending_update=None, default_payment_method="pm_card",
        )  # fmt: skip
        item = self._item(price_id, self.now, subscription["id"])
        subscription["items"] = {"object": "list", "data": [item], "has_more": False, "url": "/v1/subscription_items"}
        period = item["current_period_start"], item["current_period_end"]
        invoice = self._create_invoice(
            customer, self.amounts[price_id], "subscription_create", period, subscription=subscription["id"]
        )
        subscription["latest_invoice"] = invoice["id"]
        self.emit("customer.subscription.created", subscription)
        self._pay(invoice)
        return subscription

    @staticmethod
    def item_of(subscription: Object) -> Object:
        """The only item of a subscription."""
        item: Object = subscription["items"]["data"][0]
        return item

    def update_subscription(self, subscription_id: str, **values: Any) -> Object:
        """Change the cancellation or the price; a change of price is charged at once, pro rata."""
        subscription = self.get("subscription", subscription_id)
        if subscription["status"] in ("canceled", "incomplete_expired"):
            raise StripeFailure(
                400, "resource_missing", "A canceled subscription can only update its cancellation_details"
            )
        if "cancel_at_period_end" in values:
            ends = values["cancel_at_period_end"]
            end = self.item_of(subscription)["current_period_end"]
            subscription.update(
                cancel_at_period_end=ends, cancel_at=end if ends else None, canceled_at=self.now if ends else None
            )
        if "metadata" in values:
            subscription["metadata"].update(values["metadata"])
        if "items" in values:
            self._change_price(subscription, values["items"][0]["price"])
        self.emit("customer.subscription.updated", subscription)
        return subscription

    def _change_price(self, subscription: Object, price_id: str) -> None:
        item = self.item_of(subscription)
        if item["price"]["id"] == price_id:
            return
        amount = self.price_of_change(subscription, price_id)
        if subscription["customer"] in self.declined:
            raise StripeFailure(402, "card_declined", "Your card was declined.", "card_error")
        item.update(self._item(price_id, self.now, subscription["id"]) | {"id": item["id"]})
        subscription["billing_cycle_anchor"] = self.now
        period = item["current_period_start"], item["current_period_end"]
        invoice = self._create_invoice(
            subscription["customer"], amount, "subscription_update", period, subscription=subscription["id"]
        )
        subscription["latest_invoice"] = invoice["id"]
        self._pay(invoice)

    def price_of_change(self, subscription: Object, price_id: str) -> int:
        """What a change to `price_id` costs now, in cents."""
        return max(0, self.amounts[price_id] - self.unused_amount(subscription))

    def preview_change(self, customer: str, subscription_id: str, price_id: str) -> Object:
        """The invoice that a change of the price would make; it is not kept."""
        subscription = self.get("subscription", subscription_id)
        assert subscription["customer"] == customer
        item = self.item_of(subscription)
        period = item["current_period_start"], item["current_period_end"]
        num_events = len(self.events)
        invoice = self._create_invoice(
            customer, self.price_of_change(subscription, price_id), "upcoming", period, subscription=subscription_id
        )
        del self.objects["invoice"][invoice["id"]], self.events[num_events:]
        return {**invoice, "status": "draft", "number": None}

    def unused_amount(self, subscription: Object) -> int:
        """What the rest of the current period is worth, in cents."""
        item = self.item_of(subscription)
        start, end = item["current_period_start"], item["current_period_end"]
        return int(self.amounts[item["price"]["id"]] * (end - self.now) // (end - start))

    def cancel(self, subscription: Object) -> Object:
        """End a subscription now."""
        subscription.update(status="canceled", canceled_at=self.now, ended_at=self.now)
        self.emit("customer.subscription.deleted", subscription)
        return subscription

    # --- schedules ----------------------------------------------------------------------------------------------------

    def create_schedule(self, from_subscription: str) -> Object:
        """A schedule with the current phase of a subscription."""
        subscription = self.get("subscription", from_subscription)
        item = self.item_of(subscription)
        phase = self._phase(item["price"]["id"], item["current_period_start"], item["current_period_end"])
        schedule = self._new(
            "subscription_schedule", "sub_sched", customer=subscription["customer"], status="active",
            subscription=subscription["id"], end_behavior="release", phases=[phase], metadata={},
            current_phase={"start_date": phase["start_date"], "end_date": phase["end_date"]},
            billing_mode={"type": "flexible", "flexible": None, "updated_at": self.now}, canceled_at=None,
            completed_at=None, released_at=None, released_subscription=None,
            default_settings={}, application=None, test_clock=None,
        )  # fmt: skip
        subscription["schedule"] = schedule["id"]
        return schedule

    def _phase(self, price_id: str, start: int, end: int) -> Object:
        item: Object = {"billing_thresholds": None, "discounts": [], "metadata": {}, "price": price_id, "quantity": 1}
        return {"start_date": start, "end_date": end, "items": [item], "add_invoice_items": [],
                "currency": self.currency, "discounts": [], "metadata": {}, "proration_behavior": "none"}  # fmt: skip

    def update_schedule(self, schedule_id: str, **values: Any) -> Object:
        """Replace the phases."""
        schedule = self.get("subscription_schedule", schedule_id)
        phases, start = [], schedule["current_phase"]["start_date"]
        for phase in values["phases"]:
            price_id = phase["items"][0]["price"]
            self.price(price_id)
            months = 12 if _INTERVALS[price_id] == "year" else 1
            start = phase.get("start_date", start)
            end = phase.get("end_date") or add_months(start, months, datetime.fromtimestamp(start, UTC).day)
            phases.append(self._phase(price_id, start, end))
            start = end
        schedule.update(phases=phases, end_behavior=values.get("end_behavior", "release"))
        self.emit("subscription_schedule.updated", schedule)
        self.emit("customer.subscription.updated", self.get("subscription", schedule["subscription"]))
        return schedule

    def release_schedule(self, schedule_id: str) -> Object:
        """Leave the subscription as it is now."""
        schedule = self.get("subscription_schedule", schedule_id)
        subscription = self.get("subscription", schedule["subscription"])
        schedule.update(status="released", released_at=self.now, released_subscription=subscription["id"])
        schedule.update(subscription=None, current_phase=None)
        subscription["schedule"] = None
        self.emit("customer.subscription.updated", subscription)
        return schedule

    # --- money --------------------------------------------------------------------------------------------------------

    def _create_invoice(
        self, customer: str, amount: int, reason: str, period: tuple[int, int], *, subscription: str | None = None,
        metadata: dict[str, str] | None = None,
    ) -> Object:  # fmt: skip
        details: Object = {"metadata": {}, "subscription": subscription}
        parent = {"type": "subscription_details", "subscription_details": details, "quote_details": None}
        invoice = self._new(
            "invoice", "in", customer=customer, status="open", amount_due=amount, amount_paid=0,
            amount_remaining=amount, amount_overpaid=0, amount_paid_off_stripe=0, amount_shipping=0,
            attempt_count=0, attempted=False,
            auto_advance=True, billing_reason=reason, collection_method="charge_automatically", currency=self.currency,
            automatic_tax={"disabled_reason": None, "enabled": False, "liability": None, "provider": None,
                           "status": None},
            default_tax_rates=[], discounts=[], issuer={"type": "self"}, metadata=metadata or {},
            payment_settings={"default_mandate": None, "payment_method_options": None, "payment_method_types": None},
            period_start=period[0], period_end=period[1], post_payment_credit_notes_amount=0,
            pre_payment_credit_notes_amount=0, starting_balance=0, subtotal=amount, total=amount,
            parent=parent if subscription else None, next_payment_attempt=None, ending_balance=None,
            status_transitions={"finalized_at": self.now, "marked_uncollectible_at": None, "paid_at": None,
                                "voided_at": None},
        )  # fmt: skip
        number = f"TM-{invoice['id'][-4:]}"
        invoice.update(
            number=number,
            hosted_invoice_url=f"https://invoice.stripe.test/{invoice['id']}",
            invoice_pdf=f"https://invoice.stripe.test/{invoice['id']}.pdf",
            lines={"object": "list", "data": [], "has_more": False, "url": f"/v1/invoices/{invoice['id']}/lines"},
            payments={"object": "list", "data": [], "has_more": False, "url": f"/v1/invoices/{invoice['id']}/payments"},
        )
        self.emit("invoice.created", invoice)
        self.emit("invoice.finalized", invoice)
        return invoice

    def intent_of(self, invoice: Object) -> str | None:
        """The payment intent that paid the invoice."""
        payments = invoice["payments"]["data"]
        return payments[0]["payment"]["payment_intent"] if payments else None

    def _pay(self, invoice: Object) -> bool:
        invoice.update(attempted=True, attempt_count=invoice["attempt_count"] + 1)
        if invoice["customer"] in self.declined:
            self.emit("invoice.payment_failed", invoice)
            return False
        if invoice["customer"] in self.needs_confirmation:
            self._wait_for_bank(invoice)
            return False
        return self._charge(invoice)

    def _wait_for_bank(self, invoice: Object) -> None:
        """A payment that the customer's bank wants confirmed (3-D Secure): it stays open."""
        if not invoice["payments"]["data"]:
            intent = self._new(
                "payment_intent", "pi", status="requires_action", amount=invoice["amount_due"], currency=self.currency,
                customer=invoice["customer"], latest_charge=None, metadata={},
            )  # fmt: skip
            invoice["payments"]["data"] = [self._invoice_payment(invoice, intent["id"], "open")]
        self.emit("invoice.payment_action_required", invoice)
        self.emit("invoice.payment_failed", invoice)

    def confirm_payment(self, invoice_id: str) -> None:
        """What the customer does on the page of the invoice: confirm the payment at their bank."""
        invoice = self.get("invoice", invoice_id)
        self.needs_confirmation.discard(invoice["customer"])
        assert self._charge(invoice)
        self._reactivate(invoice)

    def _invoice_payment(self, invoice: Object, intent: str, status: str) -> Object:
        is_paid = status == "paid"
        return self._new(
            "invoice_payment", "inpay", amount_requested=invoice["amount_due"],
            amount_paid=invoice["amount_due"] if is_paid else None,
            currency=self.currency, invoice=invoice["id"], is_default=True, status=status,
            payment={"type": "payment_intent", "payment_intent": intent},
            status_transitions={"canceled_at": None, "paid_at": self.now if is_paid else None},
        )  # fmt: skip

    def _charge(self, invoice: Object) -> bool:
        intent = f"pi_{self._account}{next(self._numbers):08d}"
        charge = self._new(
            "charge", "ch", amount=invoice["amount_due"], amount_captured=invoice["amount_due"], amount_refunded=0,
            captured=True, currency=self.currency, customer=invoice["customer"], disputed=False, metadata={}, paid=True,
            payment_intent=intent, refunded=False, status="succeeded",
            billing_details={"address": None, "email": None, "name": None, "phone": None, "tax_id": None},
        )  # fmt: skip
        invoice["payments"]["data"] = [self._invoice_payment(invoice, intent, "paid")]
        invoice.update(status="paid", amount_paid=invoice["amount_due"], amount_remaining=0, next_payment_attempt=None)
        invoice["status_transitions"]["paid_at"] = self.now
        self.emit("charge.succeeded", charge)
        self.emit("invoice.paid", invoice)
        return True

    def charge_of(self, payment_intent: str) -> Object:
        """The charge of a payment intent. Raises StripeFailure 404."""
        for charge in self.all("charge"):
            if charge["payment_intent"] == payment_intent:
                return charge
        raise StripeFailure(404, "resource_missing", f"No such payment_intent: '{payment_intent}'")

    def create_refund(self, payment_intent: str, amount: int | None = None, **values: Any) -> Object:
        """Return the money of a charge."""
        charge = self.charge_of(payment_intent)
        left = charge["amount"] - charge["amount_refunded"]
        if left == 0:
            raise StripeFailure(400, "charge_already_refunded", f"Charge {charge['id']} has already been refunded.")
        amount = left if amount is None else amount
        charge["amount_refunded"] += amount
        charge["refunded"] = charge["amount_refunded"] == charge["amount"]
        refund = self._new(
            "refund", "re", amount=amount, charge=charge["id"], currency=self.currency, customer=charge["customer"],
            payment_intent=payment_intent, status="succeeded", metadata=values.get("metadata", {}),
            reason=values.get("reason"), balance_transaction=None, receipt_number=None,
        )  # fmt: skip
        del refund["livemode"]
        self.emit("refund.created", refund)
        self.emit("charge.refunded", charge)
        return refund

    def open_dispute(self, payment_intent: str) -> Object:
        """What the customer's bank does: demand the money back."""
        charge = self.charge_of(payment_intent)
        charge["disputed"] = True
        dispute = self._new(
            "dispute", "dp", amount=charge["amount"], charge=charge["id"], currency=self.currency,
            payment_intent=payment_intent, reason="fraudulent", status="needs_response", is_charge_refundable=False,
            metadata={}, balance_transactions=[], enhanced_eligibility_types=[], evidence={}, evidence_details={},
        )  # fmt: skip
        self.emit("charge.dispute.created", dispute)
        return dispute

    def close_dispute(self, dispute_id: str, *, won: bool) -> Object:
        """The bank decides."""
        dispute = self.get("dispute", dispute_id)
        dispute["status"] = "won" if won else "lost"
        self.emit("charge.dispute.closed", dispute)
        return dispute

    # --- the clock ----------------------------------------------------------------------------------------------------

    def advance(self, seconds: int) -> None:
        """Move the clock; renewals, retries, cancellations and expirations happen at their times."""
        target = self.now + seconds
        while True:
            moment = min((due for due in self._due_times() if due > self.now), default=None)
            if moment is None or moment > target:
                break
            self.now = moment
            self._run_due()
        self.now = target

    def _due_times(self) -> list[int]:
        due = [s["expires_at"] for s in self.all("checkout.session") if s["status"] == "open"]
        for subscription in self.all("subscription"):
            if subscription["status"] in ("active", "past_due"):
                due.append(self.item_of(subscription)["current_period_end"])
        return due + [i["next_payment_attempt"] for i in self.all("invoice") if i["next_payment_attempt"]]

    def _run_due(self) -> None:
        for session in self.all("checkout.session"):
            if session["status"] == "open" and session["expires_at"] <= self.now:
                self.expire_session(session["id"])
        for invoice in self.all("invoice"):
            if invoice["next_payment_attempt"] and invoice["next_payment_attempt"] <= self.now:
                self._retry(invoice)
        for subscription in self.all("subscription"):
            is_live = subscription["status"] in ("active", "past_due")
            if is_live and self.item_of(subscription)["current_period_end"] <= self.now:
                self._renew(subscription)

    def _renew(self, subscription: Object) -> None:
        if subscription["cancel_at_period_end"]:
            self.cancel(subscription)
            return
        item = self.item_of(subscription)
        price_id = self._scheduled_price(subscription) or item["price"]["id"]
        start, anchor = item["current_period_end"], datetime.fromtimestamp(subscription["billing_cycle_anchor"], UTC)
        end = add_months(start, 12 if _INTERVALS[price_id] == "year" else 1, anchor.day)
        item.update(current_period_start=start, current_period_end=end, price=self.price(price_id))
        invoice = self._create_invoice(
            subscription["customer"], self.amounts[price_id], "subscription_cycle", (start, end),
            subscription=subscription["id"],
        )  # fmt: skip
        subscription["latest_invoice"] = invoice["id"]
        if not self._pay(invoice):
            subscription["status"] = "past_due"
            invoice["next_payment_attempt"] = self.now + RETRY_DAYS[0] * DAY
        self.emit("customer.subscription.updated", subscription)

    def _scheduled_price(self, subscription: Object) -> str | None:
        if subscription["schedule"] is None:
            return None
        schedule = self.get("subscription_schedule", subscription["schedule"])
        phase = next((p for p in schedule["phases"] if p["start_date"] <= self.now < p["end_date"]), None)
        if phase is schedule["phases"][-1] or phase is None:
            schedule.update(status="released", released_at=self.now, released_subscription=subscription["id"])
            schedule.update(subscription=None, current_phase=None)
            subscription["schedule"] = None
        return phase["items"][0]["price"] if phase else None

    def _retry(self, invoice: Object) -> None:
        subscription = self.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
        first = invoice["created"]
        if self._pay(invoice):
            self._reactivate(invoice)
            return
        later = [first + days * DAY for days in RETRY_DAYS if first + days * DAY > self.now]
        invoice["next_payment_attempt"] = later[0] if later else None
        if later or subscription["status"] != "past_due":
            return
        if self.suspends_unpaid:
            subscription["status"] = "unpaid"
            self.emit("customer.subscription.updated", subscription)
        else:
            self.cancel(subscription)

    def _reactivate(self, invoice: Object) -> None:
        subscription = self.get("subscription", invoice["parent"]["subscription_details"]["subscription"])
        if subscription["status"] in ("past_due", "unpaid"):
            subscription["status"] = "active"
            self.emit("customer.subscription.updated", subscription)

    # --- delivery -----------------------------------------------------------------------------------------------------

    def take_events(self, *, repeat: int = 1, rng: random.Random | None = None) -> list[Object]:
        """The events so far, each `repeat` times, shuffled by `rng`; they are not returned again."""
        events = [event for event in self.events for _ in range(repeat)]
        self.events.clear()
        if rng is not None:
            rng.shuffle(events)
        return events
