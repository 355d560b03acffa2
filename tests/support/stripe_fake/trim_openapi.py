"""Writes `openapi.json`: the part of Stripe's OpenAPI document that the fake serves, as JSON Schema.

The document is `embedded/openapi/spec3.json` of the Go module `github.com/stripe/stripe-mock`:

    python -m tests.support.stripe_fake.trim_openapi SPEC3_JSON

Descriptions are left out. A reference to an object that the fake never makes is replaced by "any object". Objects allow
no other properties than those in the document, so a misspelt name fails the validation.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

TRIMMED = Path(__file__).parent / "openapi.json"

#: The operations of the fake.
OPERATIONS = {
    "/v1/customers": ("post",),
    "/v1/customers/{customer}": ("get", "post", "delete"),
    "/v1/prices/{price}": ("get",),
    "/v1/checkout/sessions": ("get", "post"),
    "/v1/checkout/sessions/{session}": ("get",),
    "/v1/checkout/sessions/{session}/expire": ("post",),
    "/v1/billing_portal/sessions": ("post",),
    "/v1/subscriptions": ("get",),
    "/v1/subscriptions/{subscription_exposed_id}": ("get", "post", "delete"),
    "/v1/subscription_schedules": ("post",),
    "/v1/subscription_schedules/{schedule}": ("get", "post"),
    "/v1/subscription_schedules/{schedule}/release": ("post",),
    "/v1/invoices": ("get",),
    "/v1/invoices/{invoice}": ("get",),
    "/v1/invoices/create_preview": ("post",),
    "/v1/payment_intents/{intent}": ("get",),
    "/v1/charges/{charge}": ("get",),
    "/v1/refunds/{refund}": ("get",),
    "/v1/disputes/{dispute}": ("get",),
    "/v1/charges": ("get",),
    "/v1/refunds": ("get", "post"),
    "/v1/disputes": ("get",),
}

#: The objects that the fake makes, kept whole. The parts that they contain are kept too.
OBJECTS = {
    "customer",
    "deleted_customer",
    "price",
    "recurring",
    "checkout.session",
    "billing_portal.session",
    "subscription",
    "subscription_item",
    "subscription_schedule",
    "subscription_schedule_phase_configuration",
    "subscription_schedule_configuration_item",
    "subscription_schedule_current_phase",
    "invoice",
    "invoice_payment",
    "invoices_payments_invoice_payment_associated_payment",
    "billing_bill_resource_invoicing_parents_invoice_parent",
    "billing_bill_resource_invoicing_parents_invoice_subscription_parent",
    "invoices_resource_status_transitions",
    "line_item",
    "invoice_line_item_period",
    "charge",
    "refund",
    "dispute",
    "payment_intent",
    "event",
    "error",
    "api_errors",
}

_KEPT_KEYWORDS = ("type", "enum", "required", "minimum", "maximum", "maxLength", "format", "pattern")


class _Trimmer:
    def __init__(self, schemas: dict[str, Any]) -> None:
        self.schemas = schemas

    def response(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema as JSON Schema, closed for unknown properties."""
        if "$ref" in schema:
            name = schema["$ref"].rpartition("/")[2]
            return {"$ref": f"#/$defs/{name}"} if name in OBJECTS else {"type": "object"}
        trimmed = {key: schema[key] for key in _KEPT_KEYWORDS if key in schema and key not in ("format", "pattern")}
        if "properties" in schema:
            trimmed["properties"] = {name: self.response(part) for name, part in schema["properties"].items()}
            trimmed["additionalProperties"] = False
        elif isinstance(schema.get("additionalProperties"), dict):
            trimmed["additionalProperties"] = self.response(schema["additionalProperties"])
        if "items" in schema:
            trimmed["items"] = self.response(schema["items"])
        if "anyOf" in schema:
            trimmed["anyOf"] = [self.response(part) for part in schema["anyOf"]]
        return _nullable(trimmed) if schema.get("nullable") else trimmed

    def request(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema of a form's body; the parts that the product never sends keep their names only."""
        trimmed = {key: schema[key] for key in _KEPT_KEYWORDS if key in schema and key not in ("format", "pattern")}
        if "properties" in schema:
            trimmed["properties"] = {name: self.request(part) for name, part in schema["properties"].items()}
            trimmed["additionalProperties"] = False
        elif isinstance(schema.get("additionalProperties"), dict):
            trimmed["additionalProperties"] = self.request(schema["additionalProperties"])
        if "items" in schema:
            trimmed["items"] = self.request(schema["items"])
        if "anyOf" in schema:
            trimmed["anyOf"] = [self.request(part) for part in schema["anyOf"]]
        return trimmed


def _nullable(schema: dict[str, Any]) -> dict[str, Any]:
    return {"anyOf": [schema, {"type": "null"}]}


def _form_schema(operation: dict[str, Any]) -> dict[str, Any]:
    content = operation.get("requestBody", {}).get("content", {})
    schema: dict[str, Any] = content.get("application/x-www-form-urlencoded", {}).get("schema", {})
    return schema


#: Parameters of requests whose schemas are long and which the product never sends.
_LONG_PARAMETERS = (
    "payment_method_options", "shipping_options", "shipping_address_collection", "custom_fields", "payment_method_data",
    "wallet_options", "branding_settings", "optional_items", "payment_settings", "schedule_details",
    "subscription_details", "invoice_items", "custom_text", "shipping", "tax", "customer_details",
)  # fmt: skip

#: Long parameters that the product sends, by path.
_KEPT_PARAMETERS = {"/v1/invoices/create_preview": ("subscription_details",)}


def trim(document: dict[str, Any]) -> dict[str, Any]:
    """The operations and objects of the fake."""
    trimmer = _Trimmer(document["components"]["schemas"])
    operations: dict[str, Any] = {}
    for path, methods in OPERATIONS.items():
        for method in methods:
            operation = document["paths"][path][method]
            reply = operation["responses"]["200"]["content"]["application/json"]["schema"]
            form = trimmer.request(_form_schema(operation))
            for name in _LONG_PARAMETERS:
                if name not in _KEPT_PARAMETERS.get(path, ()):
                    form.get("properties", {}).pop(name, None)
            query = {
                parameter["name"]: trimmer.request(parameter["schema"])
                for parameter in operation.get("parameters", [])
                if parameter["in"] == "query"
            }
            operations[f"{method.upper()} {path}"] = {"query": query, "form": form, "reply": trimmer.response(reply)}
    schemas = {name: trimmer.response(document["components"]["schemas"][name]) for name in sorted(OBJECTS)}
    return {"version": document["info"]["version"], "operations": operations, "$defs": schemas}


if __name__ == "__main__":
    spec = json.loads(Path(sys.argv[1]).read_text())
    TRIMMED.write_text(json.dumps(trim(spec), sort_keys=True, separators=(",", ":")) + "\n")
