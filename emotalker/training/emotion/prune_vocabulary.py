"""Leave out of a word-piece vocabulary what English text never uses: unused slots and pieces of other scripts."""

import json

import torch
from tokenizers import Tokenizer
from torch import nn
from transformers import PreTrainedTokenizerFast

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def prune(tokenizer: PreTrainedTokenizerFast, encoder: nn.Module) -> PreTrainedTokenizerFast:
    """Drop pieces from a tokenizer and their rows from its encoder (in place).

    Args:
        tokenizer: a fast WordPiece tokenizer.
        encoder: a transformers text model with the matching word embeddings.

    Returns:
        a tokenizer with the kept pieces, numbered anew in their old order.
    """
    parts = json.loads(tokenizer.backend_tokenizer.to_str())
    old: dict[str, int] = parts["model"]["vocab"]
    kept = [piece for piece in sorted(old, key=old.get) if piece in SPECIAL or _useful(piece)]
    parts["model"]["vocab"] = {piece: row for row, piece in enumerate(kept)}
    parts["added_tokens"] = [{**token, "id": kept.index(token["content"])} for token in parts["added_tokens"]]
    post = parts["post_processor"]["special_tokens"]
    for name in post:
        post[name]["ids"] = [kept.index(name)]
    parts["padding"] = parts["truncation"] = None
    rows = torch.tensor([old[piece] for piece in kept])
    encoder.set_input_embeddings(
        nn.Embedding.from_pretrained(encoder.get_input_embeddings().weight.detach()[rows], padding_idx=kept.index("[PAD]"))
    )
    encoder.config.vocab_size, encoder.config.pad_token_id = len(kept), kept.index("[PAD]")
    return PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(json.dumps(parts)),
        unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", mask_token="[MASK]",
    )  # fmt: skip


def _useful(piece: str) -> bool:
    body = piece.removeprefix("##")
    return not (body.startswith("[unused") and body.endswith("]")) and body.isascii()
