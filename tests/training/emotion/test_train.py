import gzip
import json

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from emotalker.emotion.eib import EmotionIntensityBlock
from emotalker.emotion.taxonomy import EMOTIONS
from emotalker.errors import UserError
from emotalker.training.emotion.data import load_goemotions
from emotalker.training.emotion.fed import load_fed
from emotalker.training.emotion.fed.lexicon import words
from emotalker.training.emotion.measure import f1, measure_described
from emotalker.training.emotion.prune_vocabulary import prune
from emotalker.training.emotion.train import FROZEN_LAYERS, EmotionRun, main
from emotalker.training.run import in_turn

COMMENTS = (("17", "3", "what a great day"), ("2,3", "0", "this makes me angry"), ("27", "6", "the bus comes at nine"))


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A text encoder of the real kind, one hundredth of its size, with letters and a few words as its vocabulary."""
    folder = tmp_path_factory.mktemp("base")
    words = ["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "愛", "##愛"]
    words += [chr(c) for c in range(33, 127)] + [f"##{chr(c)}" for c in range(97, 123)]
    words += sorted({word for item in load_fed("train")[:200] for word in item.text.lower().split() if word.isalpha()})
    vocabulary = {word: row for row, word in enumerate(dict.fromkeys(words))}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=FROZEN_LAYERS + 1,
        num_attention_heads=2,
        intermediate_size=64,
    )
    BertModel(config, add_pooling_layer=False).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texts")
    rows = [
        "id\toriginal\tekman\ttext",
        *(f"{i}\t{fine}\t{ekman}\t{text}" for i, (fine, ekman, text) in enumerate(COMMENTS * 10)),
    ]
    for split in ("train", "dev", "test"):
        (folder / f"goemotions_{split}.tsv.gz").write_bytes(gzip.compress(("\n".join(rows) + "\n").encode()))
    return folder


def arguments(base, texts, tmp_path, *more):
    happy, angry = (
        [word.text for word in words("adjective") if word.main == main and word.strengths[main] >= 0.5][:5]
        for main in ("happy", "angry")
    )
    lines = [*(["zinty", *happy], ["grumfed", *angry]), *([word, *group] for group in (happy, angry) for word in group)]
    (tmp_path / "words.txt").write_text("\n".join(",".join(line) for line in lines))
    more = ("--thesaurus", str(tmp_path / "words.txt"), *more)
    return ["--base", str(base), "--texts", str(texts), "--data", str(tmp_path), "--generated", "60", "--device", "cpu", *more]


def test_the_command_writes_what_the_block_loads(base, texts, tmp_path):
    given = [*arguments(base, texts, tmp_path), "--steps", "3", "--out", str(tmp_path)]
    main(given)
    card = json.loads((tmp_path / "eib.json").read_text())
    assert card["steps"] == 3 and {"dev_main_emotion", "dev_goemotions_macro_f1"} <= set(card["metrics"])
    assert "--thesaurus THESAURUS" in card["command"] and str(tmp_path) not in card["command"]
    block, kept = EmotionIntensityBlock.from_folder(tmp_path), EmotionRun(EmotionRun.parse(given))
    assert kept.step == 3 and "zinty" in block.hints.rows
    assert measure_described(block, load_fed("dev"))["strength_error"] == pytest.approx(
        kept.measure()["dev_strength_error"], abs=0.01
    )


def test_a_smoke_run_writes_beside_its_data(base, texts, tmp_path):
    main([*arguments(base, texts, tmp_path), "--smoke"])
    assert json.loads((tmp_path / "eib.smoke" / "weights" / "eib.json").read_text())["steps"] == EmotionRun.SMOKE["steps"]


def test_a_stopped_run_ends_as_one_that_was_not(base, texts, tmp_path, compare_with_stopped):
    def make(name):
        return EmotionRun(EmotionRun.parse([*arguments(base, texts, tmp_path), "--steps", "6", "--name", name]))

    compare_with_stopped(make)


def test_items_come_in_turn():
    items = list(range(7))
    taken = [in_turn(items, 3, step, "some seed") for step in range(7)]
    rounds = np.array(taken).reshape(3, 7)
    assert (np.sort(rounds, 1) == items).all() and len({tuple(order) for order in rounds.tolist()}) == 3
    assert in_turn(items, 3, 4, "some seed") == taken[4] != in_turn(items, 3, 4, "another")


def test_training_lowers_the_losses(base, texts, tmp_path):
    run = EmotionRun(EmotionRun.parse([*arguments(base, texts, tmp_path), "--steps", "40"]))
    steps = [{name: float(value) for name, value in run.parts.items()} for _ in run.train()]
    for name in ("strength", "smooth", "near", "go"):
        early, late = (np.mean([step[name] for step in part]) for part in (steps[:5], steps[-5:]))
        assert late < early, name


def test_goemotions_alone_and_one_hard_label_can_be_asked_for(base, texts, tmp_path):
    alone = EmotionRun(EmotionRun.parse([*arguments(base, texts, tmp_path), "--steps", "1", "--fed-share", "0"]))
    assert len(list(alone.train())) == 1
    assert set(alone.parts) == {"go"} and set(alone.measure()) == {"dev_goemotions_macro_f1"}
    hard = EmotionRun(EmotionRun.parse([*arguments(base, texts, tmp_path), "--steps", "1", "--hard-label", "--go-share", "0"]))
    assert all(sorted(item.strengths)[-2:] == [0.0, 1.0] for item in hard.hand)
    assert len(list(hard.train())) == 1 and "strength" in hard.parts and "go" not in hard.parts


def test_pruning_keeps_the_reading_of_english(base):
    tokenizer = PreTrainedTokenizerFast.from_pretrained(base)
    encoder = BertModel.from_pretrained(base, add_pooling_layer=False).eval()
    before = encoder(**tokenizer("happy and sad!", return_tensors="pt")).last_hidden_state
    size = encoder.config.vocab_size
    pruned = prune(tokenizer, encoder)
    assert encoder.config.vocab_size == len(pruned) == size - 3
    after = encoder(**pruned("happy and sad!", return_tensors="pt")).last_hidden_state
    assert torch.equal(before, after)
    assert pruned.tokenize("愛") == ["[UNK]"]


def test_missing_texts_are_named(tmp_path):
    with pytest.raises(UserError, match=r"goemotions_dev\.tsv\.gz is missing"):
        load_goemotions(tmp_path, "dev")


def test_labels_of_comments(texts):
    angry = load_goemotions(texts, "train")[1]
    assert angry.text == "this makes me angry"
    assert np.flatnonzero(angry.fine).tolist() == [2, 3] and np.flatnonzero(angry.ekman).tolist() == [0]


def test_figures_of_known_answers():
    class Oracle:
        def read(self, wanted):
            by_text = {item.text: item for item in load_fed("dev")}
            return [
                type("Reading", (), {"strengths": dict(zip(EMOTIONS, by_text[text].strengths, strict=True))}) for text in wanted
            ]

    figures = measure_described(Oracle(), load_fed("dev"))
    assert figures["main_emotion"] == figures["present_f1"] == 1 and figures["strength_error"] == 0
    assert f1(np.array([True, True, False, False]), np.array([True, False, True, False])) == 0.5
