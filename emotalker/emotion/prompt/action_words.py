"""The words for movements of the face, and the face units that each moves.

Directions are the subject's own: "looks left" is towards their left hand, as "Left" in the unit names.
"""

from collections.abc import Mapping
from dataclasses import dataclass

BOTH = ("Left", "Right")


def _pair(*names: str, weight: float = 1.0) -> dict[str, float]:
    return {name + side: weight for name in names for side in BOTH}


# What each action moves at full weight. The units are those of the action units that the FACS manual (Ekman, Friesen, Hager
# 2002) gives for the movement, through the pairing in expression.py (AU 1+2 brow raise, 4 brow lowerer, 5 upper lid raiser,
# 6, 7, 9 nose wrinkler, 12, 14, 15, 17 chin raiser, 18 lip pucker, 19 tongue, 22 funnel, 23, 24, 25, 26, 28 lip suck, 34 puff,
# 43 and 46 eye closure and wink, 61-64 gaze, 29, 30 jaw); weights below 1 keep a plain request natural and are our choice.
_BROW = r"(?:eye ?)?-?brows?"
_HER = r"(?:(?:her|his|their|my|your|the|both|its|a|an) )?"
_LEFT_RIGHT = r"(?P<side>left|right)"


@dataclass(frozen=True)
class Action:
    """One facial action.

    Attributes:
        name: as reported.
        pattern: the words for it.
        units: face unit to weight, 0..1. "Side" at the end of a name stands for the side that is said.
        event: a short movement, not a held one.
        stays: the words also speak of a feeling and stay in the description.
        side: which side moves when none is said; None: both.
    """

    name: str
    pattern: str
    units: Mapping[str, float]
    event: bool = False
    stays: bool = False
    side: str | None = None


ROWS: tuple[Action, ...] = (
    # Brows
    Action(
        "one eyebrow up",
        (
            rf"(?:one|a single|a|an|{_LEFT_RIGHT}|(?:her|his|their|the) {_LEFT_RIGHT}2) (?:raised |lifted |"
            rf"arched |cocked )(?:{_LEFT_RIGHT}3 )?{_BROW}|(?:rais|lift|arch|cock|quirk)(?:es|e|s|ing|"
            rf"ed)? (?:one|a|an|a single|(?:her|his|their|the) {_LEFT_RIGHT}4) {_BROW}|(?:one|a single|(?:her|"
            rf"his|their|the) {_LEFT_RIGHT}5) {_BROW} (?:is )?(?:up|raised|lifted|arched|cocked)"
        ),
        {"browOuterUpSide": 0.9, "browInnerUp": 0.15},
        side="Right",
    ),
    Action(
        "raised eyebrows",
        (
            rf"(?:raised|lifted|arched|high) {_BROW}|(?:rais|lift|arch)(?:es|e|s|ing|ed)? {_HER}{_BROW}|"
            rf"{_BROW} (?:are |go |shoot |held |stay )?(?:raised|up|lifted|high|arched)|{_BROW} raise"
        ),
        {"browInnerUp": 0.8, **_pair("browOuterUp", weight=0.8)},
    ),
    Action(
        "lowered brows",
        (
            rf"(?:furrowed|knitted|knit|lowered|drawn|creased|wrinkled|pinched) (?:{_BROW}|forehead)|(?:furrow|"
            rf"knit|lower|creas|wrinkl)(?:es|e|s|ing|ed|ting|ted)? {_HER}(?:{_BROW}|forehead)|"
            rf"{_BROW} (?:are )?(?:furrowed|knitted|knit|lowered|drawn together|down|together|furrow)"
        ),
        _pair("browDown", weight=0.8),
    ),
    Action(
        "worried brows",
        rf"(?:inner {_BROW} (?:up|raised)|raised inner {_BROW}|(?:rais(?:es|e|ing) {_HER}inner {_BROW}))",
        {"browInnerUp": 0.9},
    ),
    Action("frown", r"frown(?:s|ing|ed)?", _pair("browDown", weight=0.6) | _pair("mouthFrown", weight=0.25), stays=True),
    Action("scowl", r"scowl(?:s|ing|ed)?", _pair("browDown", weight=0.8), stays=True),
    # Eyes
    Action(
        "wink",
        rf"wink(?:s|ing|ed)?(?: (?:with )?(?:(?:her|his|their|the|a) )?{_LEFT_RIGHT}(?: eye)?)?",
        {"eyeBlinkSide": 1.0, "cheekSquintSide": 0.5, "mouthSmileSide": 0.2},
        event=True,
        side="Left",
    ),
    Action(
        "closed eyes",
        (
            rf"(?:closed|shut|tightly closed) (?:eyes|eyelids)|(?:clos|shut)(?:es|e|s|ing|ting|"
            rf"ed)? {_HER}(?:eyes|eyelids)|eyes (?:are |tightly |firmly )*(?:closed|shut)"
        ),
        _pair("eyeBlink"),
    ),
    Action(
        "half-closed eyes",
        (
            r"(?:half|heavy|hooded|droopy|drooping)[- ]?(?:closed|lidded|shut|open)? (?:eyes|eyelids|lids)|"
            r"(?:heavy|half|hooded)[- ]?lidded|eyes (?:are )?(?:half|nearly|almost)[- ](?:closed|shut|open)"
        ),
        _pair("eyeBlink", weight=0.45),
    ),
    Action(
        "wide eyes",
        (
            rf"(?:wide|widened|wide[- ]open|bulging) eyes|widen(?:s|ing)? {_HER}eyes|open(?:s|"
            rf"ing)? {_HER}eyes wide|eyes (?:are |go |grow |get )?(?:wide(?:ned)?(?: open)?|widen)"
        ),
        _pair("eyeWide", weight=0.9),
    ),
    Action("wide eyes", r"wide[- ]eyed", _pair("eyeWide", weight=0.8), stays=True),
    Action(
        "squint",
        (
            rf"squint(?:s|ing|ed|y)?(?: {_HER}eyes)?|(?:narrowed|slitted) eyes|narrow(?:s|ing|ed)? {_HER}eyes|"
            rf"eyes (?:are )?(?:narrowed|squinted|slits|narrow)"
        ),
        _pair("eyeSquint", weight=0.85) | _pair("eyeBlink", weight=0.15),
    ),
    Action(
        "looks left",
        (
            r"(?:look|glanc|gaz|peer|star)(?:s|es|e|ing)?(?: away)? (?:off |over )?(?:to (?:her|his|the|"
            r"their) )?left|eyes (?:dart |drift |go |look )?(?:to the )?left"
        ),
        {"eyeLookOutLeft": 0.6, "eyeLookInRight": 0.6},
    ),
    Action(
        "looks right",
        (
            r"(?:look|glanc|gaz|peer|star)(?:s|es|e|ing)?(?: away)? (?:off |over )?(?:to (?:her|his|the|"
            r"their) )?right(?! (?:at|into|through|in)\b)|eyes (?:dart |drift |go |look )?(?:to the )?right"
        ),
        {"eyeLookOutRight": 0.6, "eyeLookInLeft": 0.6},
    ),
    Action(
        "looks up",
        (
            r"(?:look|glanc|gaz|star)(?:s|es|e|ing)? (?:up(?:wards?)?(?! to\b)|at the (?:ceiling|sky))|"
            r"eyes (?:are )?(?:up|upwards?|raised|to the (?:ceiling|sky))|roll(?:s|ing)? (?:her|his|"
            r"their) eyes(?= up)"
        ),
        _pair("eyeLookUp", weight=0.6),
    ),
    Action(
        "looks down",
        (
            r"(?:look|glanc|gaz|star)(?:s|es|e|ing)? (?:down(?:wards?)?(?! (?:on|at|upon)\b)|at the (?:floor|"
            r"ground))|(?:downcast|lowered) eyes|eyes (?:are )?(?:downcast|down|lowered|on the (?:floor|"
            r"ground))|lower(?:s|ing)? (?:her|his|their) (?:eyes|gaze)"
        ),
        _pair("eyeLookDown", weight=0.6),
    ),
    # Nose and cheeks
    Action(
        "wrinkled nose",
        (
            rf"(?:wrinkled|scrunched|crinkled)(?:[- ]up)? nose|(?:wrinkl|scrunch|crinkl)(?:es|e|ing|"
            rf"ed)?(?: up)? {_HER}nose|nose (?:is )?(?:wrinkled|scrunched|crinkled)"
        ),
        _pair("noseSneer", weight=0.8),
    ),
    Action("sneer", r"(?<!no )sneer(?:s|ing|ed)?", {"noseSneerRight": 0.6, "mouthUpperUpRight": 0.5}, stays=True),
    Action(
        "flared nostrils",
        rf"(?:flared|flaring) nostrils|flar(?:es|ing) {_HER}nostrils|nostrils (?:are )?flar(?:ed|ing|e)",
        _pair("noseSneer", weight=0.35),
    ),
    Action(
        "puffed cheeks",
        (
            rf"(?:puffed|puffy|inflated|blown)(?:[- ](?:out|up))? cheeks|(?:puff|blow)(?:s|ing|ed)?(?: (?:out|"
            rf"up))? {_HER}cheeks|cheeks (?:are )?(?:puffed|blown)(?: (?:out|up))?"
        ),
        {"cheekPuff": 0.9},
    ),
    # Mouth
    Action(
        "forced smile",
        (
            r"(?:forced|fake|faked|false|feigned|insincere|plastic|painted[- ]on|strained|put[- ]on|"
            r"tight(?:[- ]lipped)?|polite|social|fixed|frozen) (?:smil(?:e|es|ing)|grin)|smil(?:e|es|"
            r"ing) (?:that is )?(?:forced|fake)|(?:forc|fak)(?:es|ing) (?:a|her|his) (?:smile|grin)|"
            r"(?:smil(?:es|ing)|a smile) (?:that does(?:n't|n’t| not) reach|without) (?:her|his|the|"
            r"their) eyes"
        ),
        _pair("mouthSmile", weight=0.55) | _pair("mouthPress", weight=0.25),
    ),
    Action(
        "smirk",
        r"smirk(?:s|ing|ed|y)?|(?:lopsided|crooked|one[- ]sided|half) (?:smile|grin)",
        {"mouthSmileRight": 0.55, "mouthDimpleRight": 0.4},
        stays=True,
    ),
    Action(
        "pursed lips",
        (
            rf"(?:pursed|puckered) lips|(?:purs|pucker)(?:es|e|s|ing|ed)?(?: up)? {_HER}(?:lips|mouth)|"
            rf"lips (?:are )?(?:pursed|puckered)|kiss(?:ing|y)? (?:face|lips|mouth)"
        ),
        {"mouthPucker": 0.75},
    ),
    Action(
        "pressed lips",
        (
            rf"(?:pressed|thin|tight|tightened|compressed) lips|(?:press|tighten)(?:es|s|ing|"
            rf"ed)? {_HER}lips(?: together)?|lips (?:are )?(?:pressed(?: together)?|tight|thin)|"
            rf"tight[- ]lipped(?! smil)"
        ),
        {**_pair("mouthPress", weight=0.7), "mouthRollLower": 0.35, "mouthRollUpper": 0.3},
    ),
    Action(
        "pout",
        (
            r"pout(?:s|ing|ed|y)?(?: lips)?|(?:stick|push|jut)(?:s|ing)? out (?:her|his|their) (?:lower|"
            r"bottom) lip|lower lip (?:is )?(?:pushed |stuck |jutting )?out"
        ),
        {"mouthShrugLower": 0.75, "mouthPucker": 0.35, **_pair("mouthFrown", weight=0.2)},
        stays=True,
    ),
    Action(
        "gritted teeth",
        (
            rf"(?:gritted|bared|clenched) teeth|(?:grit|bar|clench)(?:s|es|e|ting|ing|ed)? {_HER}teeth|"
            rf"teeth (?:are )?(?:gritted|bared|clenched)"
        ),
        {**_pair("mouthLowerDown", weight=0.45), **_pair("mouthUpperUp", weight=0.3), **_pair("mouthStretch", weight=0.4)},
        stays=True,
    ),
    Action(
        "clenched jaw",
        (
            rf"(?:clenched|set|tight|tense|tensed) jaw|(?:clench|tighten|set)(?:es|s|ing|ed|ting)? {_HER}jaw|"
            rf"jaw (?:is )?(?:clenched|set|tight)"
        ),
        {**_pair("mouthPress", weight=0.5), "jawForward": 0.3, "mouthShrugLower": 0.2},
    ),
    Action(
        "jutting jaw",
        (
            rf"(?:jutting|jutted) (?:jaw|chin)|(?:jut|thrust|push)(?:s|ting|es|ing)? (?:{_HER}(?:jaw|"
            rf"chin) (?:out|forward)|out {_HER}(?:jaw|chin))"
        ),
        {"jawForward": 0.8},
    ),
    Action(
        "bites the lip",
        (
            rf"bit(?:es|e|ing|ten)(?: on)? {_HER}(?:(?:lower|bottom) )?lips?|lip[- ]biting|chew(?:s|"
            rf"ing)?(?: on)? {_HER}(?:(?:lower|bottom) )?lip"
        ),
        {"mouthRollLower": 0.85, **_pair("mouthUpperUp", weight=0.15)},
    ),
    Action(
        "tongue out",
        (
            rf"(?:tongue (?:is )?(?:stuck |sticking |poking )?out|(?:stick|pok)(?:s|es|"
            rf"ing)? (?:out )?{_HER}tongue(?: out)?)"
        ),
        {"tongueOut": 0.9, "jawOpen": 0.3},
    ),
    Action(
        "open mouth",
        (
            rf"(?:open|gaping)(?:[- ]mouth(?:ed)?)|(?:wide )?open mouth|mouth (?:is |hangs |hanging |falls |"
            rf"wide )*(?:open|agape|gaping)|(?:open|drop)(?:s|ing|ping)? {_HER}(?:mouth|jaw)|(?:dropped|"
            rf"slack) jaw|jaw (?:is )?(?:drops|dropped|dropping|hanging open|slack)|slack[- ]jawed|agape"
        ),
        {"jawOpen": 0.5},
    ),
    Action(
        "corners down",
        (
            r"(?:down[- ]?turned|turned[- ]down|drooping) (?:mouth|lips|lip corners|mouth corners)|"
            r"corners of (?:her|his|the) mouth (?:pulled |turned |go |drawn )?down"
        ),
        _pair("mouthFrown", weight=0.75),
    ),
    Action(
        "corners up",
        (
            r"(?:lip|mouth) corners (?:pulled |turned )?up|corners of (?:her|his|the) mouth (?:pulled |"
            r"turned |go )?up"
        ),
        _pair("mouthSmile", weight=0.5),
    ),
    Action(
        "mouth to one side",
        rf"(?:mouth|lips) (?:is |pulled |twisted |drawn )*to (?:the|one|her|his) (?:{_LEFT_RIGHT}|side)",
        {"mouthSide": 0.7},
        side="Right",
    ),
)

DEGREES = (
    (r"(?:ever so slightly|barely|hardly|a (?:hint|trace|touch) of(?: an?)?|the faintest|faintly|faint)", 0.3),
    (
        (
            r"(?:slightly|a (?:little|bit)|lightly|subtly|mildly|gently|softly|just|somewhat|half|partly|"
            r"small|slight|subtle|little)"
        ),
        0.45,
    ),
    (
        (
            r"(?:very|really|strongly|deeply|fully|tightly|hard|firmly|extremely|completely|big|huge|strong|"
            r"heavily|hugely|wide|as (?:far|high|wide) as)"
        ),
        1.25,
    ),
)
"""Words of degree directly before an action (or, for adverbs, after it) and the factor on its weights; the values are ours."""
