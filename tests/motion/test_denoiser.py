import pytest
import torch

from emotalker.arkit import FACE_UNITS
from emotalker.diffusion import TRAIN_STEPS, denoised, make_scheduler
from emotalker.motion.denoiser import CHANNELS, CONDITIONS, HEARD, Conditions, MotionDenoiser, Shape

TINY = Shape(width=32, layers=2, heads=2, speech_width=8)


def conditions(batch: int, frames: int, seed: int = 0) -> Conditions:
    torch.manual_seed(seed)
    return Conditions(
        torch.rand(batch, frames, HEARD), torch.rand(batch, frames, 8), torch.rand(batch, frames),
        torch.randn(batch, frames, CHANNELS), torch.zeros(batch, frames), torch.ones(batch), torch.ones(batch),
    )  # fmt: skip


@pytest.fixture
def model() -> MotionDenoiser:
    """Every weight random: as made, the model answers zero."""
    torch.manual_seed(1)
    model = MotionDenoiser(TINY)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model.eval()


@torch.inference_mode()
@pytest.mark.parametrize("frames", [2, 30, 100])
def test_answer_has_the_shape_of_the_motion(model, frames):
    noisy = torch.randn(2, frames, CHANNELS)
    answer = model(noisy, torch.tensor([3, 900]), conditions(2, frames))
    assert answer.shape == noisy.shape and answer.isfinite().all()


@torch.inference_mode()
def test_every_condition_counts_and_what_is_left_out_does_not(model):
    noisy, step, asked = torch.randn(1, 20, CHANNELS), torch.tensor([500]), conditions(1, 20)
    answer = model(noisy, step, asked)

    def changed(**values) -> float:
        return float((model(noisy, step, Conditions(**{**vars(asked), **values})) - answer).abs().max())

    for name in ("speech", "emotion", "start", "known", "given"):
        assert changed(**{name: getattr(asked, name) + 0.5}) > 1e-3, name
    deaf = {**vars(asked), "hear": torch.zeros(1)}
    unfelt = {**vars(asked), "feel": torch.zeros(1)}
    for base, name in ((deaf, "speech"), (unfelt, "emotion")):
        first = model(noisy, step, Conditions(**base))
        other = model(noisy, step, Conditions(**{**base, name: base[name] + 0.5}))
        assert torch.allclose(first, other, atol=1e-5), name


@torch.inference_mode()
@pytest.mark.parametrize("path", CONDITIONS)
def test_each_way_of_a_condition_counts_and_can_be_left_out(path):
    """Speech and emotion reach the model frame by frame and as tokens: with one way left out, the other still tells them."""
    torch.manual_seed(2)
    without = [name for name in CONDITIONS if name != path]
    model = MotionDenoiser(Shape(width=32, layers=2, heads=2, speech_width=8, without=without)).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    noisy, step, asked = torch.randn(1, 60, CHANNELS), torch.tensor([500]), conditions(1, 60)
    answer = model(noisy, step, asked)
    for name in ("speech", "emotion", "start"):
        other = model(noisy, step, Conditions(**{**vars(asked), name: getattr(asked, name) + 0.5}))
        assert torch.allclose(answer, other, atol=1e-5) == (not path.startswith(name)), name


@torch.inference_mode()
def test_emotion_tokens_know_their_time(model):
    """Anger first and joy later is not joy first and anger later."""
    model.emotion.weight.zero_()  # leaves the tokens alone to tell
    strengths = torch.zeros(1, 100, 8)
    strengths[:, :50, 3] = strengths[:, 50:, 1] = 1
    noisy, step, asked = torch.randn(1, 100, CHANNELS), torch.tensor([500]), conditions(1, 100)
    one, other = (model(noisy, step, Conditions(**{**vars(asked), "emotion": part})) for part in (strengths, strengths.flip(1)))
    assert float((one - other).abs().max()) > 1e-3


@torch.inference_mode()
def test_steering_made_once_is_the_same(model):
    noisy, step, asked = torch.randn(2, 20, CHANNELS), torch.tensor([500]), conditions(2, 20)
    assert torch.equal(model(noisy, step, asked), model(noisy, step, asked, model.steer(asked)))


@torch.inference_mode()
def test_windows_of_a_batch_do_not_mix(model):
    noisy, asked = torch.randn(3, 20, CHANNELS), conditions(3, 20)
    steps = torch.tensor([10, 400, 990])
    together = model(noisy, steps, asked)
    for i in range(3):
        alone = Conditions(**{name: value[i : i + 1] for name, value in vars(asked).items()})
        assert torch.allclose(model(noisy[i : i + 1], steps[i : i + 1], alone), together[i : i + 1], atol=1e-5)


def test_normalise_and_restore_are_inverse(model):
    model.mean.normal_()
    model.scale.uniform_(0.1, 3)
    motion = torch.randn(4, 7, CHANNELS)
    assert torch.allclose(model.restore(model.normalise(motion)), motion, atol=1e-5)


def test_steady_motion_has_no_tremor_and_keeps_what_moves(model):
    frames = torch.arange(200) / 25
    slow = torch.sin(2 * torch.pi * 0.8 * frames)[None, :, None].expand(1, -1, CHANNELS)
    tremor = 0.2 * torch.randn(1, 200, CHANNELS, generator=torch.Generator().manual_seed(0))
    steady = model.steady(slow + tremor)
    left = (steady - slow).std(1)[0]
    yaw, brow, smile = 52, FACE_UNITS.index("browInnerUp"), FACE_UNITS.index("mouthSmileLeft")
    assert left[yaw] < 0.1 and left[brow] < 0.1 and left[smile] < 0.16
    assert (steady[:, 5:-5, yaw] - slow[:, 5:-5, yaw]).abs().mean() < 0.1
    sharp = [i for i, name in enumerate(FACE_UNITS) if name.startswith(("jawOpen", "mouthClose", "eyeBlink", "eyeLook"))]
    assert torch.equal(steady[..., sharp], (slow + tremor)[..., sharp])


def test_a_velocity_tells_the_clean_motion():
    scheduler = make_scheduler()
    clean, noise = torch.randn(5, 6, CHANNELS), torch.randn(5, 6, CHANNELS)
    steps = torch.tensor([0, 250, 500, 750, TRAIN_STEPS - 1])
    noisy, velocity = scheduler.add_noise(clean, noise, steps), scheduler.get_velocity(clean, noise, steps)
    assert torch.allclose(denoised(scheduler, noisy, velocity, steps), clean, atol=1e-3)
    assert torch.allclose(noisy[-1], noise[-1], atol=1e-3)  # the last step is noise alone, as sampling begins
