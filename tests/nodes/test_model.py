"""EmoTalker Load Model: the built-in weights, files in models/emotalker, and repositories, fetched by the hub's own client."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

TINY = {"size": 64, "channels": [16, 16, 32, 32], "layers": 1, "tokens": 32, "without": []}


@pytest.fixture
def module(pack, folders, monkeypatch):
    """The node's module with an empty models/emotalker."""
    import folder_paths
    from emotalker_pack.nodes import model as module

    place = folders / "models" / "emotalker"
    place.mkdir(parents=True)
    monkeypatch.setitem(folder_paths.folder_names_and_paths, "emotalker", ([str(place)], {".safetensors"}))
    folder_paths.filename_list_cache.clear()
    module.paint_model.cache_clear()
    module.LoadModel.GET_SCHEMA()
    yield module
    module.paint_model.cache_clear()


@pytest.fixture
def weights(module):
    """Writes tiny weights; returns the function (path) that does."""
    from emotalker_pack.emotalker.frames.denoiser import FrameDenoiser, FrameShape
    from emotalker_pack.emotalker.frames.painting import KIND

    def write(path: Path, format: str = KIND) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        tensors = {name: value.half().contiguous() for name, value in FrameDenoiser(FrameShape(**TINY)).state_dict().items()}
        save_file(tensors, path, {"format": format, "shape": json.dumps(TINY)})
        return path

    return write


def place(module) -> Path:
    import folder_paths

    return Path(folder_paths.get_folder_paths(module.FOLDER)[0])


def loaded(module, model, repository=""):
    return module.LoadModel.execute(model, repository).args[0]


def test_a_file_is_offered_and_loaded_once(module, weights):
    weights(place(module) / "mine.safetensors")
    options = module.LoadModel.define_schema().inputs[0].options
    assert options == [module.BUILT_IN, "mine.safetensors"]
    first = loaded(module, "mine.safetensors")
    assert first.model.shape.size == 64 and first is loaded(module, "mine.safetensors")
    assert first.patcher.model[0] is first.model


def test_a_changed_file_is_loaded_anew(module, weights):
    import os

    path = weights(place(module) / "mine.safetensors")
    first = loaded(module, "mine.safetensors")
    os.utime(path, (1, 1))
    assert loaded(module, "mine.safetensors") is not first


def test_foreign_weights_are_refused(module, weights):
    weights(place(module) / "other.safetensors", "something else")
    with pytest.raises(ValueError, match=r"input 'model': other\.safetensors holds no frame diffusion"):
        loaded(module, "other.safetensors")


class Hub:
    """Stands in for the hub: what a repository holds, and what is asked of it."""

    def __init__(self, monkeypatch, files: dict[str, int], write=None, header=None):
        import huggingface_hub

        self.asked, self.files, self.write = {}, files, write
        self.header = {"format": "emotalker frames"} if header is None else header
        monkeypatch.setattr(huggingface_hub, "HfApi", lambda: self)
        monkeypatch.setattr(huggingface_hub, "snapshot_download", self.download)

    def model_info(self, repository, files_metadata):
        from types import SimpleNamespace

        return SimpleNamespace(siblings=[SimpleNamespace(rfilename=name, size=size) for name, size in self.files.items()])

    def parse_safetensors_file_metadata(self, repository, name):
        from types import SimpleNamespace

        import huggingface_hub

        assert name in self.files
        if self.header == "damaged":
            raise huggingface_hub.errors.SafetensorsParsingError("the header is no JSON")
        return SimpleNamespace(metadata=self.header)

    def download(self, repository, allow_patterns, local_dir, tqdm_class):
        self.asked.update(repository=repository, patterns=allow_patterns, folder=local_dir)
        with tqdm_class(total=1) as bar:
            bar.update(1)
        if self.write:
            self.write(Path(local_dir) / "frames.safetensors")
        return local_dir


def test_a_repository_is_fetched_into_the_models_folder(module, weights, monkeypatch):
    hub = Hub(monkeypatch, {"README.md": 10, "frames.safetensors": 1000, "frames.json": 10, "code.py": 10}, weights)
    assert loaded(module, module.BUILT_IN, " someone/emotalker-more ").model.shape.size == 64
    assert hub.asked["repository"] == "someone/emotalker-more"
    assert hub.asked["patterns"] == ["frames.safetensors", "frames.json"]  # nothing that could run
    assert Path(hub.asked["folder"]) == place(module) / "someone" / "emotalker-more"


def test_weights_of_gigabytes_are_refused_before_they_are_fetched(module, monkeypatch):
    hub = Hub(monkeypatch, {"model.safetensors": 20 << 30})
    with pytest.raises(ValueError, match=r"21\.5 GB"):
        loaded(module, module.BUILT_IN, "someone/huge")
    assert hub.asked == {}


@pytest.mark.parametrize(
    ("header", "words"),
    [({"format": "pt"}, "holds no frame diffusion"), ({}, "holds no frame diffusion"), ("damaged", "is no safetensors file")],
)
def test_other_models_are_refused_by_their_header_before_they_are_fetched(module, monkeypatch, header, words):
    hub = Hub(monkeypatch, {"model.safetensors": 2 << 30}, header=header)
    with pytest.raises(ValueError, match=rf"model\.safetensors of someone/other {words}"):
        loaded(module, module.BUILT_IN, "someone/other")
    assert hub.asked == {}


def test_cancel_ends_the_fetching(module, weights, monkeypatch):
    import comfy.model_management as memory

    Hub(monkeypatch, {"frames.safetensors": 1000}, weights)
    memory.interrupt_current_processing()
    with pytest.raises(memory.InterruptProcessingException):
        loaded(module, module.BUILT_IN, "someone/slow")


@pytest.mark.parametrize("damage", ["empty", "cut", "shape", "nan", "huge"])
def test_damaged_weights_are_one_sentence(module, weights, damage):
    from safetensors.torch import load_file

    path = weights(place(module) / "bad.safetensors")
    if damage in ("empty", "cut"):
        path.write_bytes(b"" if damage == "empty" else path.read_bytes()[:5000])
    else:
        tensors = load_file(path)
        shape = dict(TINY)
        if damage == "nan":
            tensors[min(tensors)] = tensors[min(tensors)] * float("nan")
        if damage == "shape":
            shape["tokens"] = 64
        if damage == "huge":
            shape["layers"] = 10**9
        save_file(tensors, path, {"format": "emotalker frames", "shape": json.dumps(shape)})
    with pytest.raises(ValueError, match=r"input 'model': bad\.safetensors") as caught:
        loaded(module, "bad.safetensors")
    assert len(str(caught.value)) < 260


@pytest.mark.parametrize("name", ["../outside", "a/b/c", "no such name!", "/etc/passwd"])
def test_names_that_are_none_never_reach_the_disk(module, name):
    with pytest.raises(ValueError, match="input 'repository'"):
        loaded(module, module.BUILT_IN, name)
    assert list(place(module).iterdir()) == []


def test_a_repository_without_weights(module, monkeypatch):
    Hub(monkeypatch, {"README.md": 10})
    with pytest.raises(ValueError, match=r"holds no \.safetensors"):
        loaded(module, module.BUILT_IN, "someone/empty")


def test_the_sampler_hands_its_painting_to_the_video(pack):
    from emotalker_pack.emotalker.emotion.track import EmotionTrack
    from emotalker_pack.emotalker.frames.painting import Painting, PaintSettings
    from emotalker_pack.emotalker.motion.motion import Motion
    from emotalker_pack.nodes.video import TalkingVideo

    painting = Painting(PaintSettings(), None, EmotionTrack())
    audio = {"waveform": torch.zeros(1, 1, 16000), "sample_rate": 16000}
    video = TalkingVideo(None, Motion(torch.zeros(25, 52), torch.zeros(25, 6), 25.0), audio, painting=painting, model="m")
    part = video.range(5, 9)
    assert part._painting is painting and part._model == "m" and part.get_frame_count() == 4
