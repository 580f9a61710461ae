import torch

from emotalker.speech.encoder import STEP, SpeechEncoder
from emotalker.speech.moonshine import HOP, Moonshine, unpacked


def changed_frames(listen) -> tuple[torch.Tensor, torch.Tensor]:
    """Where a click changes most what is heard of a murmur: the samples of the clicks, the frames that change most."""
    murmur = 0.02 * torch.randn(1, 48000, generator=torch.Generator().manual_seed(0))
    places = torch.arange(6000, 44000, 3700)
    found = []
    for place in places:
        click = murmur.clone()
        click[:, place - 40 : place + 40] += 0.5
        found.append((listen(click) - listen(murmur)).square().sum(2)[0].argmax())
    return places, torch.stack(found)


def test_bytes_are_multiplied_out():
    packed = {
        "a": torch.tensor([3, 5], dtype=torch.uint8), "a.scale": torch.tensor(0.5), "a.zero": torch.tensor(4.0),
        "b": torch.ones(2).half(),
    }  # fmt: skip
    plain = unpacked(packed)
    assert plain["a"].tolist() == [-0.5, 0.5] and plain["b"].dtype == torch.float32 and set(plain) == {"a", "b"}


def test_frames_cover_the_sound_and_lie_where_it_changes():
    front = Moonshine.load()
    for count in (1, HOP - 1, HOP, 16000):
        assert [state.shape[1] for state in front(torch.zeros(1, count))] == [count // HOP + 1] * (1 + len(front.layers))
    places, frames = changed_frames(lambda sound: front(sound)[0])
    assert ((frames * HOP - places).abs() <= HOP).all()


@torch.inference_mode()
def test_the_encoder_hears_fifty_frames_a_second_in_their_place():
    encoder = SpeechEncoder.load()
    places, frames = changed_frames(encoder.listen)
    late = (frames * STEP - places).float()
    assert late.abs().mean() < HOP and late.mean().abs() < HOP / 2
    visemes, voicing, embedding = encoder.hear(torch.zeros(2, 16000))
    assert visemes.shape == (2, 51, 15) and voicing.shape == (2, 51) and embedding.shape == (2, 51, encoder.width)
