"""Why a connection failed whose server has a certificate that is not accepted."""

from __future__ import annotations

import ssl


def certificate_problem(error: BaseException) -> str | None:
    """A sentence about the refused certificate that `error` reports; None when it reports something else."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is refused: {cause.verify_message}"
        cause = cause.__cause__ or cause.__context__
    if "certificate verify failed" in str(error):
        # libpq hides the reason.
        return "its certificate is refused: it has expired, or sslrootcert is not the authority that signed it"
    return None
