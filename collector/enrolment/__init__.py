"""How gateways become known to this collector: invitations, certificates, new keys (docs/enrolment.md)."""
