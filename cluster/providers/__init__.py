"""Models that describe pages and outline sessions: three vendors, anything that speaks OpenAI's language, and `local`.

`enrich.Enricher` is the way in. The rest, from the outside in: `configuration` (who does what), `chain` (in which
order), `model_provider` (the two operations, checked), `calls` (limiter, ledger, log), the vendors' transports.
"""
