"""The words that put feelings in order, with those that place them in time: a table of cues.

The vocabulary is ours, collected from how acting directions and descriptions of scenes are worded.
"""

from .cues import Cue
from .time_words import OF, TIMES

_WHO = (
    r"(?:she|he|they|it|i|you|we|(?:the|her|his|their|my|your|its) (?:face|voice|expression|mood|tone|"
    r"speaker|woman|man|girl|boy|person|character))"
)
_INTO = r"(?:in)?to"
_BY = r"(?: off| out| by)?(?: (?:as|with|by|being|by being|looking|feeling|on))?"
_NOT_THEN = r"(?<!now and )(?<!even )(?<!since )(?<!by )(?<!back )(?<!until )"
_SLOW = r"(?:very |ever so )?(?:slowly|gradually|little by little|bit by bit|step by step|over time|steadily|progressively)"
_SUDDEN = (
    r"(?:very |quite )?(?:suddenly|all of a sudden|all at once|abruptly|out of nowhere|"
    r"out of the blue|in an instant|in a flash|in the blink of an eye|"
    r"instantly|without warning|from one (?:second|moment) to the next)"
)
_FEEL = (
    r"turn|becom|grow|get|laugh|cry|sob|smil|break|burst|explod|erupt|giv|fall|los|settl|calm|scream|"
    r"soften|melt|fad|end|dissolv|collaps|snap|slip|shift|go|frown|giggl|weep|shout|cheer|relax|"
    r"harden|return|start|begin|look|feel|be|com|turn|seeth|rag|panick|crumbl|sneer|smirk|grin|sigh|"
    r"whimper|chang"
)
_OWN = (
    r"calm(?:s|ing) (?:down|herself|himself)|cheer(?:s|ing) up|break(?:s|ing) down|explod(?:es|ing)|"
    r"erupt(?:s|ing)|soften(?:s|ing)?|relax(?:es|ing)|los(?:es|ing) (?:it|her temper|his temper|"
    r"control)|snap(?:s|ping)|crumbl(?:es|ing)|melt(?:s|ing)|panic(?:s|king)|brighten(?:s|ing)|"
    r"collaps(?:es|ing)|burst(?:s|ing) out|break(?:s|ing) out|start(?:s|ing) to|begin(?:s|ning) to|"
    r"cr(?:ies|ying)|laugh(?:s|ing)|smil(?:es|ing)|scream(?:s|ing)|sob(?:s|bing)"
)

# Pattern, and what it says: a Cue, or a function of the match; None parts descriptions. The first pattern that fits wins.
TABLE: tuple[tuple[str, object], ...] = (
    *TIMES,
    # Beginning
    (
        (
            rf"(?:to (?:start|begin) with|at first(?! sight| glance)|initially|first of all|firstly|"
            rf"early on)(?: {_WHO} (?:is|are|was))?"
        ),
        Cue("clause", first=True),
    ),
    (
        (
            r"first(?:,|:)?(?= )(?! (?:time|love|day|date|thing|kiss|night|of|place|one|name|sight|class|"
            r"prize|half|second|third|person)\b)(?! \d)"
        ),
        Cue("verb", first=True),
    ),
    (r"(?:start|begin)(?:s|ning|ing)? to (?=[a-z])|(?:started|began) to (?=[a-z])", Cue("verb", first=True)),
    (
        (
            rf"(?:starts?|begins?|starting|beginning|started|began|(?:opens?|opening)(?= (?:with|as|on)\b)|kicks off|"
            rf"sets out)\b{_BY}(?! (?:the|her|his|their|a|over|at|from)\b(?= (?:day|week|job|talk|speech|"
            rf"engine)))"
        ),
        Cue("verb", first=True),
    ),
    # One after the other
    (r"(?:-+>|→|⇒|=>|(?<=\s)>>?(?=\s)|➔|➜|»)", Cue("next")),
    (
        (
            rf"(?:(?:go|goes|going|come|comes|return|returns|returning|revert|reverts|switch|switches|turn|"
            rf"turns|settle|settles|settling|fall|falls|falling) )?back (?:again )?(?:{_INTO} (?:being )?)"
        ),
        Cue("change"),
    ),
    (r"return(?:s|ing)? to (?:being )?|revert(?:s|ing)? to ", Cue("change")),
    (
        (
            rf"(?:{_NOT_THEN}then|only to|followed by|to be followed by|following that|which is followed by|"
            rf"(?:is |are )?replaced by|only then)\b(?: just)?(?! some\b)"
        ),
        Cue("next"),
    ),
    (
        (
            r"(?:after(?:wards?| that| this| which)|thereafter|subsequently|later(?: on)?(?! than)|"
            r"before long|soon(?: after(?:wards)?)?|after a (?:little )?(?:while|moment|bit|pause|beat|"
            r"second)|a (?:moment|second|beat|little|bit|while|little while) later|moments? later|"
            r"(?:in )?the next (?:moment|second|instant)|from there(?: on)?|from then on)\b"
        ),
        Cue("clause"),
    ),
    (
        (
            r"(?:next|second(?:ly)?|third(?:ly)?)(?:,|:)|next\b(?! to| door| week| day| year| time| one| of)|"
            r"now\b"
        ),
        Cue("verb", weak=False),
    ),
    (r"(?:but |and )?(?:when|once|as soon as|the moment)\b[^,.;!?]+,", Cue("verb")),
    (r"(?:but |and )?(?:when|once|as soon as)\b(?= (?:she|he|they|it)\b)", Cue("verb", weak=True)),
    (r"(?:until|till|'til|up until)\b(?! now)", Cue("next", trigger=True)),
    (
        (
            rf"(?:just |right |shortly )?before (?=(?:(?:she|he|they|it) (?!goes on|speaks|leaves|has to|knows|"
            rf"meets|walks|steps)|finally|suddenly|slowly)|(?:{_FEEL})\w*ing\b(?! on stage| on|! to))"
        ),
        Cue("next", swap="head"),
    ),
    (
        (
            r"after (?=(?:laughing|crying|smiling|sobbing|being|feeling|frowning|giggling|screaming|"
            r"shouting)\b)|after first "
        ),
        Cue("next", swap="tail"),
    ),
    # The ending
    (
        (
            r"(?:finally|in the end|at (?:long )?last|eventually|ultimately|lastly|to finish|to end|"
            r"in conclusion)\b"
        ),
        Cue("next", final=True),
    ),
    (
        (
            r"(?:ends?|ending|ended|finish(?:es|ing)?|clos(?:es|ing)|conclud(?:es|ing)|culminat(?:es|"
            r"ing))\b(?: up)?(?: (?:as|with|by|being|on|looking|feeling|by being))?(?= )(?! (?:of|it|"
            r"the (?:call|talk|conversation))\b)"
        ),
        Cue("verb", final=True),
    ),
    (r"last(?:,|:)", Cue("verb", final=True)),
    # Growing and fading away
    (
        r"(?:keeps? )?(?:grow|build|ris|swell|mount)(?:s|es|ing)?(?: and (?:grow|build|ris|swell)(?:s|es|ing)?)?(?: up)?"
        r"(?=\s*(?:$|[,.;!]|and\b|then\b|until\b))",
        Cue("mode", ramp=(0.25, 1.2), slow=True),
    ),
    (
        r"(?:fad|di|ebb|subsid|wan|wear)(?:s|es|ing)?(?: away| off| out)(?=\s*(?:$|[,.;!]|and\b|then\b|until\b))|"
        r"(?:fades|fading|subsides|subsiding)(?=\s*(?:$|[,.;!]|and\b|then\b|until\b))",
        Cue("mode", ramp=(1.0, 0.2), slow=True),
    ),
    # Changing into
    (
        (
            rf"(?:snap|jump|flip|switch|leap|jerk|explod|erupt|lurch)(?:s|es|ping|ing|ching)? (?:over |back |"
            rf"straight |right )?{_INTO} (?:being )?"
        ),
        Cue("change", sudden=True),
    ),
    (
        (
            r"(?=(?:burst|break|erupt|dissolv|crumbl|collaps)(?:s|es|ing|e)? (?:out )?(?:in)?to (?:tears|"
            r"laughter|sobs|a sob|a smile|a grin|a laugh))"
        ),
        Cue("verb", sudden=True),
    ),
    (r"(?:burst|break)(?:s|ing)? (?:out )?(?:in)?to ", Cue("change", sudden=True)),
    (
        (
            rf"(?:fad|melt|dissolv|morph|soften|harden|drift|sink|build|ris|escalat|swell|develop|evolv|settl|"
            rf"cool|warm|simmer|eas|descend|deepen|mellow|blossom|bloom|spiral|mount|work)(?:s|es|e|"
            rf"ing)? (?:up |down |away |herself up |himself up |off )?(?:back )?{_INTO} (?:being )?(?!her |"
            rf"his )"
        ),
        Cue("change", slow=True),
    ),
    (r"grow(?:s|ing)? (?:in)?to (?:being )?", Cue("change", slow=True)),
    (
        (
            rf"(?:turn|chang|shift|transform|transition|convert|slip|slid|mov|go|pass|progress|chang|veer|"
            rf"swing|tip|flow|com|collaps|crumbl|tumbl)(?:s|es|e|ing|ning)? (?:over |straight |right |"
            rf"on )?{_INTO} (?:being )?(?!(?:the|her|his|camera|look|face|go|do|be|get|say|bed|work|school)\b)"
        ),
        Cue("change"),
    ),
    (r"(?:giv|mak)(?:es|ing|e) way to |(?:lead|yield)(?:s|ing)? to (?!the )|is overtaken by |turns out ", Cue("change")),
    (r"becom(?:es|ing|e)\b|became\b", Cue("change")),
    (r"(?:turn|turning|turns)\b(?! (?:her|his|their|the|around|away|to|left|right|on|off|up|down|out|back)\b)", Cue("change")),
    (r"(?:gets?|getting|goes)\b(?! (?:the|a|an|her|his|on|to|off|out|up|back|it|away|over)\b)", Cue("verb")),
    (r"grow(?:s|ing)?\b(?= )", Cue("verb", slow=True)),
    (rf"(?=(?:{_OWN})\b)", Cue("verb", weak=True)),
    # How it comes
    (
        (
            r"(?:more and more|increasingly|ever more|progressively more|with (?:growing|rising|mounting|"
            r"increasing))\b|(?:grow|ris|mount|increas|build|swell)ing\b(?= (?:and \w+ing )?(?:anger|rage|"
            r"fury|fear|panic|joy|sadness|grief|disgust|contempt|excitement|surprise|dread|horror|worry|"
            r"anxiety|terror|irritation|frustration|happiness|despair|delight|unease|amusement|annoyance))"
        ),
        Cue("mode", ramp=(0.25, 1.2), slow=True),
    ),
    (r"less and less\b", Cue("mode", ramp=(1.0, 0.25), slow=True)),
    (rf"{_SLOW}\b", Cue("how", slow=True)),
    (rf"{_SUDDEN}\b", Cue("how", sudden=True)),
    (r"(?:quickly|rapidly|swiftly)\b", Cue("mode")),
    # Words that say nothing
    (
        (
            rf"from (?:the )?(?:very )?(?:start|beginning|first) to (?:the )?(?:very )?(?:finish|end|last)\b|"
            rf"for (?:a while|a bit|a time|some time|a little while|the time being)\b|throughout\b{OF}|"
            rf"the (?:whole|entire) time|all the way through|all along|over the course of (?:the|her|his) \w+|"
            rf"as (?:she|he|they) (?:speaks?|talks?|goes on|continues|says it|say it)\b"
        ),
        Cue("mode"),
    ),
    (
        (
            r"(?:mostly|for the most part|most of the time|for most of (?:it|the (?:speech|clip|time|line))|"
            r"mainly)\b"
        ),
        Cue("mode", weight=2.0),
    ),
    # Between descriptions
    (r"[,;.!?\n]+|\s[-–—]+\s|:(?= )|\b(?:and|but|yet|plus)\b|&|\+", None),
)
