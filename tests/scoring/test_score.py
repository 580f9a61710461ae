"""Every score can fail: what is broken in a video drops the score that is about it, and no other."""

import json
import math
from dataclasses import replace
from fractions import Fraction

import av
import pytest
import torch
from torch.nn.functional import conv2d, interpolate

from emotalker.emotion.track import EmotionTrack
from emotalker.errors import UserError
from emotalker.picture import load_image
from emotalker.scoring.score import Report, score_stream, score_video
from emotalker.video.audio import Sound

HAPPY, ANGRY = EmotionTrack.constant(happy=0.8), EmotionTrack.constant(angry=0.8)


def score(clip, frames=None, portrait=None, emotion=None) -> Report:
    frames = clip.frames if frames is None else frames
    portrait = clip.portrait if portrait is None else portrait
    return score_stream(frames.split(16), clip.fps, clip.sound, portrait, emotion=emotion)


def unchanged(report: Report, good: Report, *but: str) -> bool:
    """Whether all scores are nearly those of the good video, but for the ones named."""
    near = {
        "face_found": abs(report.face_found - good.face_found) <= 0.02,
        "identity": abs(report.identity - good.identity) <= 0.1,
        "sharpness": abs(report.sharpness - good.sharpness) <= 0.1,
        "jitter": report.jitter <= 1.5 * good.jitter,
        "blinks_per_minute": report.blinks_per_minute == good.blinks_per_minute,
        "lip_sync": report.lip_sync.confidence >= 0.85 * good.lip_sync.confidence,
    }
    assert set(but) < set(near)
    return all(same for name, same in near.items() if name not in but)


def test_a_good_video_has_good_scores(good, clip):
    assert good.frames == len(clip.frames)
    assert good.face_found == 1
    assert good.identity > 0.7
    assert 0.75 < good.sharpness < 1.1
    assert good.jitter < 0.6
    assert good.blinks_per_minute == pytest.approx(clip.blinks / (len(clip.frames) / clip.fps) * 60)
    assert abs(good.lip_sync.offset) <= 1
    assert good.lip_sync.confidence > 0.8
    assert good.notes == ()


def test_a_frozen_video_drops_lip_sync_and_blinks(clip, good):
    report = score(clip, clip.frames[:1].expand(len(clip.frames), -1, -1, -1))
    assert report.lip_sync.confidence < 0.2 * good.lip_sync.confidence
    assert report.blinks_per_minute == 0
    assert report.jitter < 0.1 * good.jitter  # identical frames, of which no other chunk may think otherwise
    assert unchanged(report, good, "lip_sync", "blinks_per_minute")


def test_a_blurred_video_drops_sharpness(clip, good):
    offsets = torch.arange(-4.0, 5.0)
    kernel = torch.exp(-0.5 * offsets**2)  # of one pixel, 2.3 % of the distance between the eyes; more hides the lips
    kernel = (kernel[:, None] * kernel / kernel.sum() ** 2)[None, None].expand(3, 1, -1, -1)
    planes = conv2d(clip.frames.permute(0, 3, 1, 2).float(), kernel, padding=4, groups=3)
    report = score(clip, planes.round().byte().permute(0, 2, 3, 1))
    assert report.sharpness < 0.8 * good.sharpness
    assert unchanged(report, good, "sharpness")


def test_another_person_drops_identity(pytestconfig, clip, good, close_up):
    painting = close_up(load_image(pytestconfig.rootpath / "samples" / "emotalker_painting.jpg"), 256)
    report = score(clip, portrait=painting)
    assert report.identity < 0.4
    assert unchanged(report, good, "identity", "sharpness")
    assert report.sharpness == pytest.approx(good.sharpness, rel=0.35)  # paint has details of other sizes than skin


def test_a_wrong_emotion_drops_the_emotion_match(clip, good):
    right, wrong = score(clip, emotion=HAPPY), score(clip, emotion=ANGRY)
    assert wrong.emotion_match < 0.5 * right.emotion_match
    assert unchanged(wrong, good) and unchanged(right, good)


def test_a_few_frames_of_another_person_show_in_the_lowest_identity(pytestconfig, clip, good, close_up):
    painting = close_up(load_image(pytestconfig.rootpath / "samples" / "emotalker_painting.jpg"), 256)
    size = clip.frames.shape[1:3]
    other = interpolate(painting.permute(2, 0, 1)[None], size=size, mode="bilinear")[0].permute(1, 2, 0)
    frames = clip.frames[:24].clone()
    frames[8:12] = (other * 255).round().clamp(0, 255).byte()
    report = score_stream([frames], clip.fps, None, clip.portrait)
    assert report.identity_lowest < 0.4
    assert report.identity > 0.5


def test_a_shaking_video_raises_jitter(clip, good):
    generator = torch.Generator().manual_seed(0)
    shifts = torch.randint(-2, 3, (len(clip.frames), 2), generator=generator).tolist()
    frames = torch.stack([frame.roll(shift, (0, 1)) for frame, shift in zip(clip.frames, shifts, strict=True)])
    report = score(clip, frames)
    assert report.jitter > 3 * good.jitter
    assert unchanged(report, good, "jitter")


def test_frames_without_a_face_lower_face_found_alone(clip, good):
    frames = clip.frames.clone()
    frames[33:42] = 128  # more, and the lips that are left are another sample
    report = score(clip, frames)
    assert report.face_found == pytest.approx(1 - 9 / len(frames), abs=0.001)
    assert unchanged(report, good, "face_found", "blinks_per_minute")


def test_a_video_without_any_face_has_no_scores(clip):
    report = score_stream([torch.full((20, 64, 64, 3), 128, dtype=torch.uint8)], 25, clip.sound, clip.portrait)
    assert report.face_found == 0
    assert [report.identity, report.sharpness, report.jitter, report.lip_sync, report.compared_with] == [None] * 5
    assert report.notes == ("No face was found in the video.",)


def test_neither_the_size_of_the_frames_nor_their_kind_nor_their_chunks_matter(clip, good):
    planes = clip.frames[:24].permute(0, 3, 1, 2).float() / 255
    larger = interpolate(planes, scale_factor=2, mode="bicubic").clamp(0, 1).permute(0, 2, 3, 1)
    small = score_stream(clip.frames[:24].split(7), clip.fps, None, clip.portrait)
    large = score_stream(larger.split(16), clip.fps, None, clip.portrait)
    assert large.identity == pytest.approx(small.identity, abs=0.02)
    assert large.sharpness == pytest.approx(small.sharpness, abs=0.08)
    again = score_stream(clip.frames[:24].split(16), clip.fps, None, clip.portrait)
    assert again.to_json() == small.to_json()


def test_without_a_portrait_the_first_face_is_compared_with(clip):
    report = score_stream([clip.frames[:16]], clip.fps)
    assert report.compared_with == "first frame"
    assert report.curves["identity"][0] == pytest.approx(1, abs=1e-4)
    assert report.curves["sharpness"][0] == pytest.approx(1, abs=0.02)
    assert report.notes == ("Without a sound there is no lip sync to measure.",)


def test_silence_is_said_to_be_silent(clip):
    report = score_stream([clip.frames[:48]], clip.fps, Sound(torch.zeros(1, 32000), 16000), clip.portrait)
    assert report.lip_sync is None
    assert "speech is heard" in report.notes[0]


def test_json_holds_every_score_and_no_curve(good):
    values = json.loads(good.to_json())
    names = set(vars(good)) - {"curves", "shown", "asked"}
    assert values.keys() == names
    assert values["lip_sync"].keys() == {"correlation", "confidence", "offset_frames", "offset_ms", "best_confidence"}
    nothing = replace(good, lip_sync=None, identity=None)
    assert json.loads(nothing.to_json())["lip_sync"] is None


def test_progress_is_told_and_can_stop(clip):
    def stop(done: int) -> None:
        assert done == 8
        raise InterruptedError

    with pytest.raises(InterruptedError):
        score_stream([clip.frames[:32]], clip.fps, on_progress=stop)


def test_nothing_to_score_is_an_error(clip):
    with pytest.raises(UserError, match="no frames"):
        score_stream([], 25)
    with pytest.raises(UserError, match="frames per second"):
        score_stream([clip.frames[:1]], math.inf)
    with pytest.raises(UserError, match="portrait"):
        score_stream([clip.frames[:1]], 25, portrait=torch.zeros(64, 64, 3))


def test_a_late_track_is_measured_as_late_and_a_variable_rate_as_in_sync(shared, tmp_path):
    late = score_video(shared / "cases" / "sync_sound_starts_late.mp4").lip_sync
    assert late.offset == 10 and late.best_confidence > 0.6
    source = shared / "cases" / "sync.mp4"
    with av.open(str(source)) as whole, av.open(str(tmp_path / "varied.mp4"), "w") as part:
        picture, sound = whole.streams.video[0], whole.streams.audio[0]
        track, copied = part.add_stream("libx264", rate=25), part.add_stream_from_template(sound)
        track.width, track.height, track.pix_fmt = picture.width, picture.height, "yuv420p"
        for packet in whole.demux(picture, sound):
            if packet.stream is sound and packet.dts is not None:
                packet.stream = copied
                part.mux(packet)
            elif packet.stream is picture:
                for frame in packet.decode():
                    if round(frame.time * 25) % 4 != 1:  # every fourth is missing
                        kept = av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24")
                        kept.pts, kept.time_base = round(frame.time * 25), Fraction(1, 25)
                        part.mux(track.encode(kept))
        part.mux(track.encode(None))
    varied = score_video(tmp_path / "varied.mp4").lip_sync
    assert varied.offset == 0 and varied.confidence > 0.6
