"""Model providers that describe pages and outline sessions: three vendors and any OpenAI-compatible server.

`enricher.Enricher` is the entry point. From the outside in: `configuration` (endpoints and model chains),
`calling.provider_chain` (fallback order), `calling.model_client` (the two operations, validated),
`calling.metered_client` (permit, ledger, call log), and the vendors' `transports`.
"""
