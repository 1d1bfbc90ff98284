"""Words cut into learned pieces, so that the vocabulary is small and hardly a word unknown.

Byte-pair encoding (Sennrich et al. 2016) joins the most frequent neighbours; the unigram model
(Kudo 2018) keeps the pieces that explain the text best. Both are those of the `tokenizers` library,
over text in which a space is ▁ before the word it precedes, and punctuation stands alone.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers

from catena.errors import CatenaError
from catena.space import UNKNOWN

KINDS = ("bpe", "unigram")
SPACE = "▁"


class Subwords:
    """A way to cut text into pieces, and to join them again.

    Args:
        stored: what another one's `stored` is.

    >>> cutter = Subwords.learn(["low lower lowest", "new newer newest"], "bpe", 18)
    >>> cutter.cut(["lowest newer"])
    [['▁lo', 'west', '▁ne', 'wer']]
    >>> cutter.join(["▁lo", "west", "▁ne", "wer"])
    'lowest newer'
    """

    def __init__(self, stored: str) -> None:
        try:
            self._tokenizer = Tokenizer.from_str(stored)
        except Exception as error:  # the library has no type of its own
            raise CatenaError(f"the stored subwords cannot be read: {error}") from error

    @staticmethod
    def learn(texts: Iterable[str], kind: str, size: int) -> Subwords:
        """The pieces of these texts, at most `size` of them.

        Raises:
            CatenaError: where there is no text to learn from, or `size` is less than its characters
                need.
        """
        texts = [normalised(text) for text in texts]
        if not any(texts):
            raise CatenaError("all texts are empty: there is nothing to learn subwords from")
        tokenizer = Tokenizer(models.BPE(unk_token=UNKNOWN) if kind == "bpe" else models.Unigram())
        tokenizer.normalizer = normalizers.NFC()  # type: ignore[assignment]
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # type: ignore[assignment]
            [pre_tokenizers.Metaspace(SPACE), pre_tokenizers.Punctuation("isolated")]
        )
        try:
            tokenizer.train_from_iterator(texts, _trainer(kind, size))
        except Exception as error:  # likewise
            raise CatenaError(
                f"{size} {kind} subwords cannot be learned from these texts: {error}; allow more"
            ) from error
        return Subwords(tokenizer.to_str())

    @property
    def stored(self) -> str:
        """All that another one needs, as JSON."""
        return self._tokenizer.to_str()

    @cached_property
    def items(self) -> tuple[str, ...]:
        """The pieces, ⟨unk⟩ among them; a piece's place is its number."""
        numbers = self._tokenizer.get_vocab()
        return tuple(sorted(numbers, key=numbers.__getitem__))

    def cut(self, texts: Sequence[str]) -> list[list[str]]:
        """The pieces of each text."""
        encoded = self._tokenizer.encode_batch([normalised(text) for text in texts])
        return [one.tokens for one in encoded]

    def written(self, text: str) -> list[str]:
        """What stands in the text for each of its pieces; of an unknown one, what cannot be known
        from the piece."""
        text = unicodedata.normalize("NFC", normalised(text))
        return [text[begin:end] for begin, end in self._tokenizer.encode(text).offsets]

    def join(self, pieces: Sequence[str]) -> str:
        """Text of pieces."""
        return "".join(pieces).replace(SPACE, " ").strip()


def normalised(text: str) -> str:
    """Text with one space for any run of white space, and none at its ends."""
    return " ".join(text.split())


def _trainer(kind: str, size: int) -> trainers.BpeTrainer | trainers.UnigramTrainer:
    if kind == "bpe":
        return trainers.BpeTrainer(vocab_size=size, special_tokens=[UNKNOWN], show_progress=False)
    return trainers.UnigramTrainer(
        vocab_size=size, special_tokens=[UNKNOWN], unk_token=UNKNOWN, show_progress=False
    )
