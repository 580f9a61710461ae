from pathlib import Path

import pytest
import torch

from emotalker import weights
from emotalker.arkit import UNIT_INDEX
from emotalker.emotion.track import EmotionTrack
from emotalker.errors import UserError
from emotalker.face.finder import FaceFinder
from emotalker.face.portrait import Portrait
from emotalker.frames.guide import GuideRenderer
from emotalker.motion.motion import Motion
from emotalker.motion.sampling import load_denoiser
from emotalker.picture import load_image
from emotalker.speech.analyse import analyse_speech
from emotalker.training.motion.corpus import load_motion_corpus
from emotalker.training.motion.performance import perform
from emotalker.training.motion.prepare import label_of, motion_of, prepare_videos
from emotalker.training.motion.prepare import main as prepare_main
from emotalker.training.motion.train import SIZES, MotionRun
from emotalker.video.audio import Sound, read_audio
from emotalker.video.encode import write_video

SAMPLES = Path(__file__).parents[3] / "samples"
SECONDS = 2.0


@pytest.fixture(scope="module")
def portrait() -> Portrait:
    image = load_image(SAMPLES / "emotalker_portrait.png")
    small = torch.nn.functional.interpolate(
        image.permute(2, 0, 1)[None], size=(256, 256 * image.shape[1] // image.shape[0]), mode="bicubic", antialias=True
    )
    return Portrait.from_image(small[0].permute(1, 2, 0).clamp(0, 1), finder=FaceFinder.load())


@pytest.fixture(scope="module")
def performed(portrait, tmp_path_factory) -> tuple[Path, dict[str, Motion]]:
    """Two videos in MEAD's layout, and what was performed in them."""
    folder = tmp_path_factory.mktemp("mead")
    waveform, rate = read_audio(SAMPLES / "emotalker_voice.wav")
    sound = Sound(waveform[..., : round(SECONDS * rate)], rate)
    motions = {}
    for emotion, level, strength in (("happy", "level_3", 1.0), ("neutral", "level_1", 0.0)):
        track = EmotionTrack.constant({emotion: strength}) if strength else EmotionTrack()
        motion = perform(analyse_speech(sound.waveform, rate), track, seed=1)
        path = folder / "M003" / "video" / "front" / emotion / level / "001.mp4"
        path.parent.mkdir(parents=True)
        write_video(GuideRenderer(portrait).stream(motion, dtype=torch.uint8), path, 25, sound)
        motions[f"motion_video_M003_video_front_{emotion}_{level}_001"] = motion
    return folder, motions


@pytest.fixture(scope="module")
def prepared(performed, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    assert prepare_videos(performed[0], folder, progress=lambda line: None) == 2
    return folder


def test_names_tell_emotions():
    assert label_of(Path("MEAD/M003/video/front/angry/level_2/007.mp4")) == {"angry": 0.7}
    assert label_of(Path("mead/W011/video/left_30/surprised/level_3/001.mp4")) == {"surprise": 1.0}
    assert label_of(Path("MEAD/M003/video/front/neutral/level_1/001.mp4")) == {"neutral": 1.0}
    assert label_of(Path("VideoFlash/1001_DFA_ANG_LO.flv")) == {"angry": 0.4}
    assert label_of(Path("VideoFlash/1091_WSI_NEU_XX.flv")) == {"neutral": 1.0}
    assert label_of(Path("holiday/interview.mp4")) == {}


def test_tracked_motion_is_what_moved(portrait):
    fitted = portrait.fitted
    torch.manual_seed(0)
    wave = torch.nn.functional.avg_pool1d(torch.randn(1, 6, 48), 9, 1)[0].T * 3
    head = wave * torch.tensor([6.0, 4.0, 4.0, 0.05, 0.05, 0.05])
    changes = torch.zeros(40, 52)
    names = ("jawOpen", "mouthPucker", "browDownLeft", "eyeBlinkRight")  # the sample person smiles with raised brows already
    for name in names:
        changes[:, UNIT_INDEX[name]] = torch.rand(40) * 0.6
    found = motion_of(fitted, fitted.landmarks(fitted.deform(changes, head)), 25.0, fitted.landmarks(fitted.rest))
    assert (found.head[:, :3] - head[:, :3]).abs().mean() < 1.2 and (found.head[:, 3:] - head[:, 3:]).abs().mean() < 0.02
    for name in names:
        both = torch.stack([found.units[:, UNIT_INDEX[name]], changes[:, UNIT_INDEX[name]]])
        assert torch.corrcoef(both)[0, 1] > 0.97, name


def test_videos_become_a_corpus(performed, prepared):
    corpus = load_motion_corpus(prepared)
    order = sorted(performed[1])
    assert len(corpus.features) == 2
    for name, features, motion, emotion in zip(order, corpus.features, corpus.motion, corpus.emotion, strict=True):
        acted = performed[1][name]
        count = len(features)
        assert abs(count - 50) <= 1 and motion.shape == (1, count, 58)
        assert (emotion[0, 0] == (torch.eye(8)[1 if "happy" in name else 0]).numpy()).all()
        jaw = torch.from_numpy(motion[0, :, UNIT_INDEX["jawOpen"]]).float()
        acted_jaw = acted.units[:count, UNIT_INDEX["jawOpen"]]
        assert torch.corrcoef(torch.stack([jaw, acted_jaw]))[0, 1] > 0.7
        assert (torch.from_numpy(motion[0, :, 52:54]).float() - acted.head[:count, :2]).abs().mean() < 2.75
    smiles = [float(motion[0, :, UNIT_INDEX["mouthSmileLeft"]].mean()) for motion in corpus.motion]
    assert smiles[0] > smiles[1] + 0.1  # happy comes before neutral


def test_training_on_videos_learns_and_its_weights_load(prepared, tmp_path, monkeypatch):
    arguments = ["--data", str(prepared), "--out", str(tmp_path), "--name", "videos", "--device", "cpu", "--reader-steps", "10"]
    run = MotionRun(MotionRun.parse([*arguments, "--size", "smoke", "--steps", "500"]))
    run.held_out = run.windows  # two clips are too few to keep one
    before = run.measure(4)["held_out_noise"]
    for _ in zip(range(200), run.train(), strict=False):
        pass
    assert run.measure(4)["held_out_noise"] < 0.8 * before
    run.export()
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    model = load_denoiser("videos")
    assert model.shape == SIZES["smoke"][0]
    trained = run.averaged.state_dict()
    assert all(torch.equal(value.half(), trained[name].half()) for name, value in model.state_dict().items())


def test_what_cannot_be_used_is_told(tmp_path, capsys):
    with pytest.raises(UserError, match="no video"):
        prepare_videos(tmp_path, tmp_path / "out")
    (tmp_path / "broken.mp4").write_bytes(b"nothing")
    lines = []
    assert prepare_videos(tmp_path, tmp_path / "out", progress=lines.append) == 0
    assert len(lines) == 1 and lines[0].startswith("left out: broken.mp4")
    prepare_main(["--videos", str(tmp_path), "--data", str(tmp_path / "out")])
    assert capsys.readouterr().out.splitlines()[-1].startswith("0 videos")


def test_what_is_prepared_is_not_prepared_again(performed, prepared, monkeypatch):
    from emotalker.training.motion import prepare as module

    monkeypatch.setattr(module, "prepare_video", lambda *_: pytest.fail("prepared again"))
    assert prepare_videos(performed[0], prepared, progress=lambda line: None) == 2


def test_videos_of_a_test_set_are_left_out(tmp_path):
    (tmp_path / "kept_for_tests.mp4").write_bytes(b"no video")
    with pytest.raises(UserError, match="There is no video"):
        prepare_videos(tmp_path, tmp_path / "out", left_out={"kept_for_tests"})
