"""A long speech in the graph: nothing is heard or drawn before frames are asked for, and Cancel is heard meanwhile."""

import pytest
import torch

RATE = 16000


@pytest.fixture
def listened(pack, monkeypatch):
    """Seconds of sound that the encoder was given, piece by piece; it hears the same sound everywhere."""
    from emotalker_pack.emotalker.speech import analyse

    pieces = []

    def listen(encoder, piece):
        pieces.append(len(piece) / RATE)
        rows = int(len(piece) / RATE * analyse.FINE_RATE)
        return torch.full((rows, 15), 1 / 15), torch.ones(rows, 1), torch.zeros(rows, encoder.width)

    monkeypatch.setattr(analyse, "_listen", listen)
    return pieces


def sampled(seconds):
    from emotalker_pack.emotalker.face.portrait import Portrait
    from emotalker_pack.nodes.audio import AudioFeatures
    from emotalker_pack.nodes.sampler import EmoTalkerSampler

    for node in (AudioFeatures, EmoTalkerSampler):
        node.GET_SCHEMA()
    wave = 0.3 * torch.sin(torch.arange(seconds * RATE) / 20)[None, None]
    speech = AudioFeatures.execute({"waveform": wave, "sample_rate": RATE}).args[0]
    portrait = object.__new__(Portrait)
    object.__setattr__(portrait, "image", torch.zeros(18, 32, 3))
    return EmoTalkerSampler.execute(portrait, speech, 1, 25.0, 1.0, 1.0, 1.0, 1.0, steps=1).args


def test_a_long_speech_is_heard_and_drawn_when_frames_are_asked_for(listened):
    video, _, _, take = sampled(300)
    assert video.get_frame_count() == len(take) == 7500 and not listened
    take.part(0, 8)
    assert len(listened) == 1 and take.ready < 250


def test_cancel_ends_it_in_between_and_the_next_goes_on(listened, monkeypatch):
    import comfy.model_management as memory
    from emotalker_pack.nodes import progress

    take = sampled(45)[3]
    monkeypatch.setattr(progress, "_running", lambda: "another")
    memory.interrupt_current_processing(True)
    with pytest.raises(memory.InterruptProcessingException):
        take.part(0, 8)
    assert take.ready == 0
    assert take.part(0, 8).units.shape == (8, 52)


def test_a_short_speech_is_heard_at_once(listened):
    take = sampled(2)[3]
    assert len(listened) == 1 and not hasattr(take, "ready")
