"""The catalogue of failure modes: one bundle per failure, told in `spec.md`, reproduced by `scenario.py`, recorded in
`trace.json`.

    python -m failure_modes list                      what there is
    python -m failure_modes repro FM_001              it fails, every time, and is found without being told where
    python -m failure_modes prevent FM_001            with the guardrail it does not
    python -m failure_modes recover FM_001            the damage it did can be repaired

`catalogue` finds and reads the bundles, `proof` runs them, `scaffold` begins a new one.
"""
