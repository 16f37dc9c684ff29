"""Documents that occur twice, exactly or nearly: found by their words, so that layout and comments don't
matter.

Copied files are common in open source, and a model that is measured on copies of what it learned looks better
than it is. Near-duplicates are documents whose sets of 5-word shingles have a Jaccard similarity of at least
a threshold (Broder, "On the resemblance and containment of documents", 1997). Candidates are found by MinHash
and banding (Leskovec, Rajaraman and Ullman, "Mining of Massive Datasets", chapter 3) and then compared
exactly.
"""

import zlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.uint32]
Hashes = npt.NDArray[np.uint64]

SHINGLE = 5  # words
# 20 bands of 6 minima: a pair is a candidate with the probability 1 - (1 - s^6)^20 at similarity s,
# which is 0.998 at 0.8, 0.74 at 0.65 and 0.08 at 0.4.
BANDS, ROWS = 20, 6
MOST_CANDIDATES = 64  # compared per document, those with the most bands in common first; a bound on bad cases
_BLOCK = 512  # shingles at a time: (120, 512) hashes are half a megabyte and stay in the cache

_random = np.random.default_rng(1997)
_FACTORS: Hashes = _random.integers(2**64, size=(BANDS * ROWS, 1), dtype=np.uint64) | np.uint64(1)
_OFFSETS: Hashes = _random.integers(2**64, size=(BANDS * ROWS, 1), dtype=np.uint64)
_PRIME = np.uint64(0x100000001B3)


def fingerprint(words: Sequence[str]) -> bytes:
    """Return 16 bytes that documents share if and only if their words are the same."""
    return blake2b("\0".join(words).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def word_hashes(words: Sequence[str]) -> Hashes:
    """Return a hash of each word, (W,), the same in every process."""
    return np.array([zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in words], dtype=np.uint64)


def shingles(values: npt.NDArray[np.unsignedinteger]) -> Hashes:
    """Return the set of hashes of a document's 5-word shingles, sorted, from a number per word, (T,) → (S,).

    A document of fewer words is one shingle.
    """
    short = max(0, SHINGLE - len(values))
    numbers = np.pad(values.astype(np.uint64), (0, short))
    count = len(numbers) - SHINGLE + 1
    mixed = np.zeros(count, dtype=np.uint64)
    for i in range(SHINGLE):
        mixed = (mixed ^ numbers[i : i + count]) * _PRIME
    return np.unique(_scrambled(mixed))


def band_keys(shingle_set: Hashes) -> Hashes:
    """Return the keys of a set of shingles, (S,) → (BANDS,): similar sets have one in common, most likely."""
    minima = np.full(BANDS * ROWS, 2**64 - 1, dtype=np.uint64)
    for start in range(0, len(shingle_set), _BLOCK):
        block = _FACTORS * shingle_set[start : start + _BLOCK] + _OFFSETS  # (120, block), modulo 2^64
        np.minimum(minima, block.min(axis=1), out=minima)
    keys = np.zeros(BANDS, dtype=np.uint64)
    for column in minima.reshape(BANDS, ROWS).T:
        keys = _scrambled((keys ^ column) * _PRIME)
    return keys


def jaccard(a: Hashes, b: Hashes) -> float:
    """Return the similarity of two sets of shingles, from 0 to 1."""
    common = len(np.intersect1d(a, b, assume_unique=True))
    return common / (len(a) + len(b) - common)


def duplicates(
    fingerprints: Sequence[bytes], keys: Hashes, ids: Sequence[Ids], order: Sequence[int], similarity: float
) -> dict[int, str]:
    """Return the documents to drop, index → reason; of each group of duplicates the first in ``order`` stays.

    ``fingerprints``, ``keys`` (N, BANDS) and ``ids`` describe N documents; ``order`` lists their indexes. A
    document is compared with those that stay, so a chain of small steps does not drop documents that are
    unlike.
    """
    dropped: dict[int, str] = {}
    seen: set[bytes] = set()
    for i in order:
        if fingerprints[i] in seen:
            dropped[i] = "duplicate"
        seen.add(fingerprints[i])
    if similarity >= 1:
        return dropped

    @lru_cache(maxsize=256)
    def set_of(i: int) -> Hashes:
        return shingles(ids[i])

    kept: dict[tuple[int, int], list[int]] = defaultdict(list)  # (band, key) → documents that stay
    shared = _shared_keys(keys)
    for i in order:
        if i in dropped:
            continue
        mine = [(band, key) for band, key in enumerate(keys[i].tolist()) if shared[i, band]]
        common = Counter(other for band_key in mine for other in kept.get(band_key, ()))
        if any(jaccard(set_of(i), set_of(j)) >= similarity for j, _ in common.most_common(MOST_CANDIDATES)):
            dropped[i] = "near-duplicate"
            continue
        for band_key in mine:
            kept[band_key].append(i)
    return dropped


def _shared_keys(keys: Hashes) -> npt.NDArray[np.bool_]:
    """Say of each key (N, BANDS) whether another document has it in the same band: only such keys matter."""
    shared = np.zeros(keys.shape, dtype=np.bool_)
    for band in range(keys.shape[1]):
        _, inverse, counts = np.unique(keys[:, band], return_inverse=True, return_counts=True)
        shared[:, band] = counts[inverse] > 1
    return shared


def _scrambled(values: Hashes) -> Hashes:
    """Spread numbers over 64 bits (the finaliser of SplitMix64; Steele, Lea and Flood, 2014)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))
