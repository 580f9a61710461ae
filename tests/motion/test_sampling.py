from itertools import pairwise

import pytest
import torch

from emotalker.emotion.track import EmotionTrack
from emotalker.errors import UserError
from emotalker.motion import sampling
from emotalker.motion.denoiser import CHANNELS, RATE, MotionDenoiser, Shape
from emotalker.motion.sampling import OVERLAP, WINDOW, Settings, draw_motion, guidance, load_denoiser, windows
from emotalker.speech.features import frame_count


class Follower(MotionDenoiser):
    """Stands in for a trained model: believes that the clean motion is a fixed function of the speech and the emotion."""

    def __init__(self):
        super().__init__(Shape(width=8, layers=1, heads=1, speech_width=4))
        self.asked = []
        self.blurs[:] = 0
        self.blurs[:, :, self.blurs.shape[2] // 2] = 1  # what it believes is clean already

    def forward(self, noisy, steps, conditions, steering=None):
        self.asked.append(conditions)
        hear, feel = conditions.hear[:, None, None], conditions.feel[:, None, None]
        believed = torch.zeros_like(noisy)
        believed[..., :15] = hear * conditions.speech[..., :15]
        believed[..., 20:28] = feel * conditions.emotion
        believed[..., 52] = conditions.start
        from emotalker.diffusion import make_scheduler

        alpha = make_scheduler().alphas_cumprod[steps].sqrt()
        sigma = (1 - alpha**2).sqrt()
        noise = (noisy - alpha * believed) / sigma.clamp(min=1e-4)
        return alpha * noise - sigma * believed


@pytest.fixture
def model():
    return Follower().eval()


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
@pytest.mark.parametrize("seconds", [0.02, 1.3, 4.0, 4.06, 11.0])
def test_what_the_model_believes_comes_out_at_any_length(model, talk, seconds, solver):
    features = talk(max(seconds, 0.02))
    motion = draw_motion(model, features, EmotionTrack.constant(happy=0.7), 3, Settings(4, 1.0, 1.0, solver))
    assert len(motion) == frame_count(seconds, RATE) and motion.fps == RATE
    assert torch.allclose(motion.units[:, :15], features.visemes, atol=2e-3)
    assert torch.allclose(motion.units[:, 21], torch.full((len(motion),), 0.7), atol=2e-3)
    assert torch.allclose(motion.head[:, 0], torch.arange(len(motion)) / RATE, atol=2e-2)


def test_windows_cover_everything_and_overlap_by_a_second():
    for count in (1, 2, 99, 100, 101, 125, 175, 176, 1501):
        spans = windows(count)
        assert spans[0][0] == 0 and spans[-1][1] == count and all(last - first <= WINDOW for first, last in spans)
        for (_, last), (first, _) in pairwise(spans):
            assert first <= last - OVERLAP
        assert len(spans) == max(1, -(-(count - OVERLAP) // (WINDOW - OVERLAP)))


def test_the_next_window_is_given_the_last_second_of_the_one_before(model, talk):
    draw_motion(model, talk(7.0), EmotionTrack(), 0, Settings(steps=2))
    first, second = model.asked[0], model.asked[2]
    assert first.given.sum() == 0
    assert second.given[0, :OVERLAP].all() and second.given[0, OVERLAP:].sum() == 0
    assert second.known[0, :OVERLAP].abs().max() > 0 and second.known[0, OVERLAP:].abs().max() == 0


def test_seeds(talk):
    torch.manual_seed(0)
    model = MotionDenoiser(Shape(width=16, layers=1, heads=1, speech_width=4)).eval()
    torch.nn.init.normal_(model.out.weight, std=0.1)
    features, settings = talk(6.0), Settings(steps=3)
    one, again, other = (draw_motion(model, features, EmotionTrack(), seed, settings) for seed in (1, 1, 2))
    assert torch.equal(one.units, again.units) and torch.equal(one.head, again.head)
    assert (one.head - other.head).abs().max() > 0.1


def test_little_noise_at_the_lips_makes_takes_of_two_seeds_alike_there(model, talk, monkeypatch):
    """The quieter noise of SPOKEN is what keeps lips near to the sound: with all of it they differ as brows and heads do."""

    def apart(share):
        monkeypatch.setattr(sampling, "LIP_NOISE", share)
        one, two = (sampling._noise(seed, 100) for seed in (1, 2))
        drawn = [draw_motion(small, features, EmotionTrack(), seed, Settings(3)).units[:, sampling.SPOKEN] for seed in (1, 2)]
        return (one - two)[:, sampling.SPOKEN].std(), (drawn[0] - drawn[1]).abs().mean()

    torch.manual_seed(0)
    small, features = load_denoiser(device="cpu"), talk(2.0)
    (noise, lips), (all_noise, all_lips) = apart(sampling.LIP_NOISE), apart(1.0)
    assert noise < 0.2 * all_noise and lips < 0.9 * all_lips


def test_guidance_nests():
    assert guidance(Settings(speech_guidance=1.0, emotion_guidance=1.0)) == ([(1.0, 1.0)], [1.0])  # one question is enough
    branches, shares = guidance(Settings(speech_guidance=2.0, emotion_guidance=3.0))
    assert branches == [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0)] and shares == [-1.0, -1.0, 3.0]
    # γₐ = γₑ = 0 asks for neither
    assert guidance(Settings(speech_guidance=0.0, emotion_guidance=0.0)) == ([(0.0, 0.0)], [1.0])


def test_guidance_raises_what_is_asked(model, talk):
    features, track = talk(3.0), EmotionTrack.constant(angry=0.3)
    shown = [
        float(draw_motion(model, features, track, 0, Settings(4, emotion_guidance=scale)).units[:, 23].mean())
        for scale in (0.0, 1.0, 2.0, 3.0)
    ]
    assert shown == pytest.approx([0.0, 0.3, 0.6, 0.9], abs=5e-3)


def test_a_range_is_drawn_anew_and_the_rest_stays_to_the_last_bit(model, talk):
    features = talk(12.0)
    take = draw_motion(model, features, EmotionTrack(), 0, Settings(2))
    model.asked.clear()
    redone = draw_motion(model, features, EmotionTrack.constant(sad=1.0), 5, Settings(2), keep=take, redo=(5.0, 6.0))
    assert torch.equal(redone.units[:125], take.units[:125]) and torch.equal(redone.units[150:], take.units[150:])
    assert torch.equal(redone.head[:125], take.head[:125]) and torch.equal(redone.head[150:], take.head[150:])
    assert redone.units[137, 22] > 0.95  # the middle; towards its ends the range joins what stays
    assert len(model.asked) < 2 * len(windows(300))  # windows that stay whole are not drawn


def test_wrong_requests_are_told(model, talk):
    take = draw_motion(model, talk(3.0), EmotionTrack(), 0, Settings(1))
    with pytest.raises(UserError, match="range to redo"):
        draw_motion(model, talk(3.0), EmotionTrack(), 0, Settings(1), keep=take)
    with pytest.raises(UserError, match="holds no frame"):
        draw_motion(model, talk(3.0), EmotionTrack(), 0, Settings(1), keep=take, redo=(2.0, 1.0))
    with pytest.raises(UserError, match="75 frames"):
        draw_motion(model, talk(4.0), EmotionTrack(), 0, Settings(1), keep=take, redo=(0.0, 1.0))
    for wrong in ({"steps": 0}, {"speech_guidance": 9.0}, {"emotion_guidance": -1.0}):
        with pytest.raises(UserError):
            Settings(**wrong)


def test_progress_comes_after_each_window_and_can_stop(model, talk):
    seen = []
    draw_motion(model, talk(10.0), EmotionTrack(), 0, Settings(1), on_progress=lambda done, total: seen.append((done, total)))
    assert seen == [(100, 250), (175, 250), (250, 250)]

    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_motion(model, talk(10.0), EmotionTrack(), 0, Settings(1), on_progress=stop)


def test_channels_are_those_of_a_motion():
    assert CHANNELS == 58
