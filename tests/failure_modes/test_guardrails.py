"""The guardrail that a spec names is the one that prevents the failure: without it the failure is back."""

import pytest

from failure_modes.catalogue import Bundle, bundles
from failure_modes.proof import prevent, without_guardrail


@pytest.mark.parametrize("bundle", bundles(), ids=lambda bundle: bundle.name)
def test_without_its_guardrail_the_guarded_variant_fails(bundle: Bundle):
    assert not prevent(bundle, system=without_guardrail(bundle)).holds
