"""Certificates for 127.0.0.1, made by the real openssl."""

from __future__ import annotations

import subprocess


def certificate(folder, name, *more):
    """Files of a certificate that signs itself, and of its key; `more` replaces `-nodes`."""
    files = (str(folder / f"{name}.pem"), str(folder / f"{name}.key"))
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
            *("-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-out", files[0], "-keyout", files[1], *(more or ("-nodes",))),
        ],
        check=True,
        capture_output=True,
    )
    return files
