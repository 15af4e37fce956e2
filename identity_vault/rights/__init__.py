"""What the law gives a pupil and those who answer for them: consent, withdrawal, export, correction, erasure."""
