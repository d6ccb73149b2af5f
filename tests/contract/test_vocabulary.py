"""What the front says of a prompt is what the prior itself says."""

import pytest

from sds_bridge.priors import catalog
from sds_bridge.priors.vocabulary import known_words
from sds_bridge.starter.captions import SYNONYMS

PROMPTS = [
    "kick drum, bass, reverb",
    "A zorble of KICK-drums!",
    "tr808 hi-hat",
    "",
    "the of and",
    "über naïve 808",
    *list(SYNONYMS)[:20],
]


@pytest.mark.parametrize("prompt", PROMPTS)
def test_words_are_the_priors_own(prompt):
    assert known_words("starter", prompt) == catalog.load("starter").words(prompt)


@pytest.mark.parametrize("prior", ["stable-audio-open", "/some/folder", "nobody/knows"])
def test_other_priors_can_not_tell(prior):
    assert known_words(prior, "kick") is None
