"""The words and sentences of the embedded everyday requests: a synchronous grammar of English and German.

Words are tables, one per kind of slot: ``en`` is what gets tagged, ``before`` the English words in front of it, the
other columns are further English words or the German forms. In sentences, ``{SLOT.column}`` picks a column; ``{SLOT}``
is ``before`` and ``en`` in English and ``de`` in German; ``{SLOT.bare}`` in English is ``en`` alone. ``{CITY2}`` is a
second, different ``CITY``.
"""

from __future__ import annotations

from typing import NamedTuple


def _table(text: str) -> tuple[dict[str, str], ...]:
    head, *lines = [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]
    return tuple(dict(zip(head, line, strict=True)) for line in lines)


def _times() -> tuple[dict[str, str], ...]:
    """Times of the day as they stand after *at* and *um*."""
    hours = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"]
    stunden = ["eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun", "zehn", "elf", "zwölf"]
    times = [("midnight", "Mitternacht"), ("one", "ein Uhr")]
    times += [(hours[h], f"{stunden[h]} Uhr") for h in range(1, 12)]
    times += [(f"half past {hours[h]}", f"halb {stunden[(h + 1) % 12]}") for h in range(4, 12)]
    times += [(f"a quarter past {hours[h]}", f"Viertel nach {stunden[h]}") for h in range(4, 12)]
    times += [(f"a quarter to {hours[h]}", f"Viertel vor {stunden[h]}") for h in range(4, 12)]
    return tuple({"en": en, "de": de} for en, de in times)


def _dates() -> tuple[dict[str, str], ...]:
    """Days: ``de`` as an adverbial, ``day`` as it stands after *für* and *auf*."""
    weekdays = {
        "Monday": "Montag",
        "Tuesday": "Dienstag",
        "Wednesday": "Mittwoch",
        "Thursday": "Donnerstag",
        "Friday": "Freitag",
        "Saturday": "Samstag",
        "Sunday": "Sonntag",
    }
    days = [
        ("the first of May", "ersten Mai"),
        ("the second of April", "zweiten April"),
        ("the third of June", "dritten Juni"),
        ("the fifth of October", "fünften Oktober"),
        ("the tenth of July", "zehnten Juli"),
        ("the twelfth of August", "zwölften August"),
        ("the twentieth of March", "zwanzigsten März"),
    ]
    plain = [("today", "heute"), ("tomorrow", "morgen"), ("the day after tomorrow", "übermorgen")]
    plain += [(f"next {day}", f"nächsten {tag}") for day, tag in weekdays.items()]
    return (
        *({"en": en, "before": "", "de": de, "day": de} for en, de in plain),
        *({"en": en, "before": "on", "de": f"am {de}", "day": de} for en, de in weekdays.items()),
        *({"en": en, "before": "on", "de": f"am {de}", "day": f"den {de}"} for en, de in days),
    )


WORDS: dict[str, tuple[dict[str, str], ...]] = {
    "TIME": _times(),
    "DATE": _dates(),
    "WHEN": _table("""
        en                 | before | de
        this afternoon     |        | heute Nachmittag
        this evening       |        | heute Abend
        tonight            |        | heute Nacht
        tomorrow morning   |        | morgen früh
        tomorrow afternoon |        | morgen Nachmittag
        tomorrow evening   |        | morgen Abend
        Friday evening     | on     | am Freitagabend
        Saturday morning   | on     | am Samstagmorgen
        Sunday afternoon   | on     | am Sonntagnachmittag
        this weekend       |        | dieses Wochenende
        next weekend       |        | nächstes Wochenende
        next week          |        | nächste Woche
    """),
    "DURATION": _table("""
        en                   | de                      | dat
        thirty seconds       | dreißig Sekunden        | dreißig Sekunden
        ninety seconds       | neunzig Sekunden        | neunzig Sekunden
        one minute           | eine Minute             | einer Minute
        five minutes         | fünf Minuten            | fünf Minuten
        ten minutes          | zehn Minuten            | zehn Minuten
        twenty minutes       | zwanzig Minuten         | zwanzig Minuten
        forty minutes        | vierzig Minuten         | vierzig Minuten
        a quarter of an hour | eine Viertelstunde      | einer Viertelstunde
        half an hour         | eine halbe Stunde       | einer halben Stunde
        an hour              | eine Stunde             | einer Stunde
        two hours            | zwei Stunden            | zwei Stunden
        three hours          | drei Stunden            | drei Stunden
    """),
    "NUMBER": _table("""
        en     | de
        two    | zwei
        three  | drei
        four   | vier
        five   | fünf
        six    | sechs
        seven  | sieben
        eight  | acht
        nine   | neun
        ten    | zehn
        twelve | zwölf
    """),
    "DEGREES": _table("""
        en       | de
        sixteen  | sechzehn
        eighteen | achtzehn
        nineteen | neunzehn
        twenty   | zwanzig
        21       | 21
        22       | 22
        23       | 23
        24       | 24
    """),
    "PERCENT": _table("""
        en     | de
        ten    | zehn
        twenty | zwanzig
        thirty | dreißig
        forty  | vierzig
        fifty  | fünfzig
        sixty  | sechzig
        eighty | achtzig
    """),
    "PERSON": _table("""
        en          | before | acc                | dat
        Anna        |        | Anna               | Anna
        Maria       |        | Maria              | Maria
        Sophie      |        | Sophie             | Sophie
        Julia       |        | Julia              | Julia
        Laura       |        | Laura              | Laura
        Thomas      |        | Thomas             | Thomas
        Lukas       |        | Lukas              | Lukas
        Paul        |        | Paul               | Paul
        David       |        | David              | David
        Felix       |        | Felix              | Felix
        Mr Weber    |        | Herrn Weber        | Herrn Weber
        Mrs Fischer |        | Frau Fischer       | Frau Fischer
        Doctor Klein |       | Doktor Klein       | Doktor Klein
        mother      | my     | meine Mutter       | meiner Mutter
        father      | my     | meinen Vater       | meinem Vater
        sister      | my     | meine Schwester    | meiner Schwester
        brother     | my     | meinen Bruder      | meinem Bruder
        grandmother | my     | meine Großmutter   | meiner Großmutter
        uncle       | my     | meinen Onkel       | meinem Onkel
        neighbour   | my     | meinen Nachbarn    | meinem Nachbarn
        boss        | my     | meine Chefin       | meiner Chefin
        best friend | my     | meine beste Freundin | meiner besten Freundin
    """),
    "CITY": _table("""
        en         | de
        Berlin     | Berlin
        Hamburg    | Hamburg
        Dresden    | Dresden
        Munich     | München
        Cologne    | Köln
        Nuremberg  | Nürnberg
        Hanover    | Hannover
        Vienna     | Wien
        Zurich     | Zürich
        Geneva     | Genf
        Basel      | Basel
        Prague     | Prag
        Warsaw     | Warschau
        Copenhagen | Kopenhagen
        Brussels   | Brüssel
        Paris      | Paris
        London     | London
        Rome       | Rom
        Milan      | Mailand
        Venice     | Venedig
        Lisbon     | Lissabon
        Athens     | Athen
    """),
    "PLACE": _table("""
        en             | before | zu              | next
        station        | the    | zum Bahnhof     | der nächste Bahnhof
        airport        | the    | zum Flughafen   | der nächste Flughafen
        supermarket    | the    | zum Supermarkt  | der nächste Supermarkt
        hospital       | the    | zum Krankenhaus | das nächste Krankenhaus
        museum         | the    | zum Museum      | das nächste Museum
        theatre        | the    | zum Theater     | das nächste Theater
        swimming pool  | the    | zum Schwimmbad  | das nächste Schwimmbad
        town hall      | the    | zum Rathaus     | das nächste Rathaus
        university     | the    | zur Universität | die nächste Universität
        library        | the    | zur Bibliothek  | die nächste Bibliothek
        pharmacy       | the    | zur Apotheke    | die nächste Apotheke
        petrol station | the    | zur Tankstelle  | die nächste Tankstelle
        bakery         | the    | zur Bäckerei    | die nächste Bäckerei
    """),
    "ARTIST": _table("""
        en             | before | de
        Mozart         |        | Mozart
        Beethoven      |        | Beethoven
        Bach           |        | Bach
        Schubert       |        | Schubert
        Queen          |        | Queen
        Adele          |        | Adele
        Coldplay       |        | Coldplay
        Nina Simone    |        | Nina Simone
        Miles Davis    |        | Miles Davis
        Johnny Cash    |        | Johnny Cash
        Bob Dylan      |        | Bob Dylan
        Daft Punk      |        | Daft Punk
        Beatles        | the    | den Beatles
        Rolling Stones | the    | den Rolling Stones
    """),
    "GENRE": _table("""
        en              | de
        jazz            | Jazz
        blues           | Blues
        reggae          | Reggae
        hip hop         | Hip-Hop
        rock music      | Rockmusik
        pop music       | Popmusik
        dance music     | Tanzmusik
        piano music     | Klaviermusik
        guitar music    | Gitarrenmusik
        classical music | klassische Musik
        quiet music     | ruhige Musik
        folk music      | Volksmusik
    """),
    "DEVICE": _table("""
        en               | before | acc               | nom
        light            | the    | das Licht         | das Licht
        radio            | the    | das Radio         | das Radio
        lamp             | the    | die Lampe         | die Lampe
        heating          | the    | die Heizung       | die Heizung
        air conditioning | the    | die Klimaanlage   | die Klimaanlage
        coffee machine   | the    | die Kaffeemaschine | die Kaffeemaschine
        washing machine  | the    | die Waschmaschine | die Waschmaschine
        fan              | the    | den Ventilator    | der Ventilator
        television       | the    | den Fernseher     | der Fernseher
        computer         | the    | den Computer      | der Computer
        printer          | the    | den Drucker       | der Drucker
        speaker          | the    | den Lautsprecher  | der Lautsprecher
    """),
    "ROOM": _table("""
        en          | before | de
        kitchen     | in the | in der Küche
        garage      | in the | in der Garage
        living room | in the | im Wohnzimmer
        bedroom     | in the | im Schlafzimmer
        dining room | in the | im Esszimmer
        guest room  | in the | im Gästezimmer
        nursery     | in the | im Kinderzimmer
        bathroom    | in the | im Bad
        hall        | in the | im Flur
        office      | in the | im Büro
        basement    | in the | im Keller
        attic       | in the | auf dem Dachboden
        balcony     | on the | auf dem Balkon
        terrace     | on the | auf der Terrasse
    """),
    "CUISINE": _table("""
        en         | before | de
        Italian    | an     | italienisch
        Indian     | an     | indisch
        Greek      | a      | griechisch
        Spanish    | a      | spanisch
        French     | a      | französisch
        Turkish    | a      | türkisch
        Lebanese   | a      | libanesisch
        Japanese   | a      | japanisch
        Chinese    | a      | chinesisch
        Vietnamese | a      | vietnamesisch
        Mexican    | a      | mexikanisch
    """),
    "LANGUAGE": _table("""
        en         | de
        Italian    | Italienisch
        Greek      | Griechisch
        Spanish    | Spanisch
        French     | Französisch
        Turkish    | Türkisch
        Japanese   | Japanisch
        Polish     | Polnisch
        Swedish    | Schwedisch
        Portuguese | Portugiesisch
        Russian    | Russisch
    """),
    "PHRASE": _table("""
        en               | de
        thank you        | danke
        good morning     | guten Morgen
        good night       | gute Nacht
        goodbye          | auf Wiedersehen
        see you soon     | bis bald
        welcome          | willkommen
        excuse me        | Entschuldigung
        happy birthday   | alles Gute zum Geburtstag
        I am hungry      | ich habe Hunger
        I am tired       | ich bin müde
        the bill         | die Rechnung
        a glass of water | ein Glas Wasser
    """),
    "FOOD": _table("""
        en           | pack    | de          | packung   | kein
        milk         | bottles | Milch       | Flaschen  | keine
        water        | bottles | Wasser      | Flaschen  | kein
        orange juice | bottles | Orangensaft | Flaschen  | keinen
        olive oil    | bottles | Olivenöl    | Flaschen  | kein
        rice         | packets | Reis        | Packungen | keinen
        flour        | packets | Mehl        | Packungen | kein
        coffee       | packets | Kaffee      | Packungen | keinen
        butter       | packets | Butter      | Packungen | keine
        pasta        | packets | Nudeln      | Packungen | keine
        tomatoes     | tins    | Tomaten     | Dosen     | keine
        beans        | tins    | Bohnen      | Dosen     | keine
        tuna         | tins    | Thunfisch   | Dosen     | keinen
        honey        | jars    | Honig       | Gläser    | keinen
        jam          | jars    | Marmelade   | Gläser    | keine
        mustard      | jars    | Senf        | Gläser    | keinen
        potatoes     | bags    | Kartoffeln  | Beutel    | keine
        onions       | bags    | Zwiebeln    | Beutel    | keine
        cheese       | slices  | Käse        | Scheiben  | keinen
        ham          | slices  | Schinken    | Scheiben  | keinen
        yoghurt      | pots    | Joghurt     | Becher    | keinen
        cream        | pots    | Sahne       | Becher    | keine
    """),
    "DISH": _table("""
        en              | de               | the
        apple cake      | Apfelkuchen      | den Apfelkuchen
        chocolate cake  | Schokoladenkuchen | den Schokoladenkuchen
        cheesecake      | Käsekuchen       | den Käsekuchen
        tomato salad    | Tomatensalat     | den Tomatensalat
        potato salad    | Kartoffelsalat   | den Kartoffelsalat
        fried rice      | gebratenen Reis  | den gebratenen Reis
        lentil soup     | Linsensuppe      | die Linsensuppe
        pumpkin soup    | Kürbissuppe      | die Kürbissuppe
        onion soup      | Zwiebelsuppe     | die Zwiebelsuppe
        pancakes        | Pfannkuchen      | die Pfannkuchen
        meatballs       | Frikadellen      | die Frikadellen
        banana bread    | Bananenbrot      | das Bananenbrot
        chicken curry   | Hähnchencurry    | das Hähnchencurry
    """),
    "EVENT": _table("""
        en                 | before | acc                    | nom                    | ein
        meeting            | the    | die Besprechung        | die Besprechung        | eine Besprechung
        conference         | the    | die Konferenz          | die Konferenz          | eine Konferenz
        birthday party     | the    | die Geburtstagsfeier   | die Geburtstagsfeier   | eine Geburtstagsfeier
        piano lesson       | the    | die Klavierstunde      | die Klavierstunde      | eine Klavierstunde
        dentist appointment | the   | den Zahnarzttermin     | der Zahnarzttermin     | einen Zahnarzttermin
        language course    | the    | den Sprachkurs         | der Sprachkurs         | einen Sprachkurs
        yoga class         | the    | den Yogakurs           | der Yogakurs           | einen Yogakurs
        job interview      | the    | das Vorstellungsgespräch | das Vorstellungsgespräch | ein Vorstellungsgespräch
        football match     | the    | das Fußballspiel       | das Fußballspiel       | ein Fußballspiel
        concert            | the    | das Konzert            | das Konzert            | ein Konzert
        family dinner      | the    | das Familienessen      | das Familienessen      | ein Familienessen
    """),
    "TODO": _table("""
        en                   | de
        water the plants     | die Blumen zu gießen
        take out the rubbish | den Müll rauszubringen
        feed the cat         | die Katze zu füttern
        walk the dog         | mit dem Hund rauszugehen
        pay the rent         | die Miete zu zahlen
        buy a present        | ein Geschenk zu kaufen
        take my medicine     | meine Medikamente zu nehmen
        charge my phone      | mein Handy aufzuladen
        clean the windows    | die Fenster zu putzen
        wash the car         | das Auto zu waschen
        pick up the parcel   | das Paket abzuholen
        return the books     | die Bücher zurückzugeben
    """),
    "MESSAGE": _table("""
        en                       | de
        I am running late        | ich mich verspäte
        I am on my way           | ich unterwegs bin
        I will be home soon      | ich bald zu Hause bin
        I cannot come            | ich nicht kommen kann
        I am ill                 | ich krank bin
        I need help              | ich Hilfe brauche
        I am stuck in traffic    | ich im Stau stehe
        I forgot my keys         | ich meine Schlüssel vergessen habe
        we are waiting outside   | wir draußen warten
        dinner is ready          | das Essen fertig ist
        the train is delayed     | der Zug Verspätung hat
        everything went well     | alles gut gegangen ist
    """),
    "VEHICLE": _table("""
        en            | before | nom            | next                   | ein
        train         | a      | der Zug        | der nächste Zug        | ein Zug
        night train   | a      | der Nachtzug   | der nächste Nachtzug   | ein Nachtzug
        express train | an     | der Schnellzug | der nächste Schnellzug | ein Schnellzug
        bus           | a      | der Bus        | der nächste Bus        | ein Bus
        coach         | a      | der Reisebus   | der nächste Reisebus   | ein Reisebus
    """),
}

TAGS = {"WHEN": "DATE", "DEGREES": "NUMBER", "PERCENT": "NUMBER"}  # slots whose entity type has another name


class Command(NamedTuple):
    """Something to do. The frames turn it into an order, a question or a wish.

    ``imperative`` and ``infinitive`` hold the German verb around ``_``, the middle of the sentence. In the middle,
    ``~`` marks where *bitte* goes if that is behind a pronoun. No imperative: only wishes.
    """

    intent: str
    english: str
    imperative: str
    infinitive: str
    middle: str


class Plain(NamedTuple):
    """A question or a statement, whole."""

    intent: str
    english: str
    german: str


# English, German, which verb. "bitte" stands where the middle says.
ORDERS = (
    ("_.", "_.", "imperative"),
    ("please _.", "bitte _.", "imperative"),
    ("_, please.", "_, bitte.", "imperative"),
    ("can you _?", "kannst du _?", "infinitive"),
    ("could you please _?", "könntest du _?", "bitte"),
    ("would you please _?", "würdest du _?", "bitte"),
)
WISHES = (
    ("I want to _.", "ich will _.", "infinitive"),
    ("I would like to _.", "ich möchte _.", "infinitive"),
    ("I need to _.", "ich muss _.", "infinitive"),
)

C, P = Command, Plain
SENTENCES: tuple[Command | Plain, ...] = (
    C("set_alarm", "wake me up at {TIME}", "weck _", "_ wecken", "mich ~ um {TIME}"),
    C("set_alarm", "wake me up {DATE} at {TIME}", "weck _", "_ wecken", "mich ~ {DATE} um {TIME}"),
    C("set_alarm", "set an alarm for {TIME}", "stell _", "_ stellen", "einen Wecker auf {TIME}"),
    C("set_alarm", "set my alarm for {TIME} {DATE}", "stell _", "_ stellen", "meinen Wecker {DATE} auf {TIME}"),
    C("set_alarm", "get up at {TIME} {DATE}", "", "_ aufstehen", "{DATE} um {TIME}"),
    C("set_timer", "set a timer for {DURATION}", "stell _", "_ stellen", "einen Timer auf {DURATION}"),
    C("set_timer", "start a timer for {DURATION}", "starte _", "_ starten", "einen Timer für {DURATION}"),
    C(
        "set_timer",
        "set a timer of {DURATION} for the {DISH}",
        "stell _",
        "_ stellen",
        "einen Timer von {DURATION.dat} für {DISH.the}",
    ),
    C("set_timer", "let me know in {DURATION}", "sag _ Bescheid", "_ Bescheid sagen", "mir ~ in {DURATION.dat}"),
    C(
        "set_reminder",
        "remind me to {TODO} {DATE}",
        "erinnere _ daran, {TODO}",
        "_ daran erinnern, {TODO}",
        "mich ~ {DATE}",
    ),
    C(
        "set_reminder",
        "remind me at {TIME} to {TODO}",
        "erinnere _ daran, {TODO}",
        "_ daran erinnern, {TODO}",
        "mich ~ um {TIME}",
    ),
    C(
        "set_reminder",
        "remind me {DATE} at {TIME} to {TODO}",
        "erinnere _ daran, {TODO}",
        "_ daran erinnern, {TODO}",
        "mich ~ {DATE} um {TIME}",
    ),
    C(
        "set_reminder",
        "remind me to call {PERSON} {DATE}",
        "erinnere _ daran, {PERSON.acc} anzurufen",
        "_ daran erinnern, {PERSON.acc} anzurufen",
        "mich ~ {DATE}",
    ),
    C("set_reminder", "remind {PERSON} of {EVENT}", "erinnere _", "_ erinnern", "{PERSON.acc} an {EVENT.acc}"),
    C(
        "change_calendar",
        "add a {EVENT.bare} {DATE} at {TIME} to my calendar",
        "trag _ in meinen Kalender ein",
        "_ in meinen Kalender eintragen",
        "{EVENT.ein} {DATE} um {TIME}",
    ),
    C(
        "change_calendar",
        "put {EVENT} in my calendar for {DATE.bare}",
        "trag _ in meinen Kalender ein",
        "_ in meinen Kalender eintragen",
        "{EVENT.acc} für {DATE.day}",
    ),
    C(
        "change_calendar",
        "move {EVENT} to {DATE.bare}",
        "verschieb _",
        "_ verschieben",
        "{EVENT.acc} auf {DATE.day}",
    ),
    C("change_calendar", "cancel {EVENT} {DATE}", "sag _ ab", "_ absagen", "{EVENT.acc} {DATE}"),
    P("check_calendar", "when does {EVENT} start {DATE}?", "wann beginnt {EVENT.nom} {DATE}?"),
    P("check_calendar", "what is on my calendar {DATE}?", "was steht {DATE} in meinem Kalender?"),
    P("check_calendar", "do I have any appointments {WHEN}?", "habe ich {WHEN} Termine?"),
    P("check_calendar", "am I free {DATE} at {TIME}?", "habe ich {DATE} um {TIME} Zeit?"),
    P("check_calendar", "am I meeting {PERSON} {DATE}?", "treffe ich {DATE} {PERSON.acc}?"),
    P("get_weather", "what will the weather be like in {CITY} {DATE}?", "wie wird das Wetter {DATE} in {CITY}?"),
    P("get_weather", "will it rain in {CITY} {WHEN}?", "wird es {WHEN} in {CITY} regnen?"),
    P("get_weather", "how cold will it get in {CITY} {WHEN}?", "wie kalt wird es {WHEN} in {CITY}?"),
    P("get_weather", "do I need an umbrella in {CITY} {DATE}?", "brauche ich {DATE} in {CITY} einen Regenschirm?"),
    P("get_weather", "is it snowing in {CITY}?", "schneit es in {CITY}?"),
    C(
        "get_weather",
        "show me the weather forecast for {CITY}",
        "zeig _",
        "_ zeigen",
        "mir ~ die Wettervorhersage für {CITY}",
    ),
    C("play_music", "play some {GENRE} {ROOM}", "spiel _", "_ spielen", "{ROOM} etwas {GENRE}"),
    C("play_music", "play something by {ARTIST}", "spiel _", "_ spielen", "etwas von {ARTIST}"),
    C("play_music", "play a song by {ARTIST} {ROOM}", "spiel _", "_ spielen", "{ROOM} ein Lied von {ARTIST}"),
    C("play_music", "put on some music by {ARTIST}", "leg _ auf", "_ auflegen", "Musik von {ARTIST}"),
    C("play_music", "listen to {GENRE} {WHEN}", "", "_ hören", "{WHEN} {GENRE}"),
    C(
        "book_table",
        "book a table for {NUMBER} people {DATE} at {TIME}",
        "reserviere _",
        "_ reservieren",
        "einen Tisch für {NUMBER} Personen {DATE} um {TIME}",
    ),
    C(
        "book_table",
        "reserve a table for {NUMBER} at {CUISINE} restaurant",
        "reserviere _",
        "_ reservieren",
        "einen Tisch für {NUMBER} in einem {CUISINE}en Restaurant",
    ),
    C("book_table", "book a table at {TIME}", "reserviere _", "_ reservieren", "einen Tisch um {TIME}"),
    C(
        "find_restaurant",
        "find {CUISINE} restaurant in {CITY}",
        "suche _",
        "_ suchen",
        "ein {CUISINE}es Restaurant in {CITY}",
    ),
    C(
        "find_restaurant",
        "recommend {CUISINE} restaurant in {CITY}",
        "empfiehl _",
        "_ empfehlen",
        "mir ~ ein {CUISINE}es Restaurant in {CITY}",
    ),
    C(
        "find_restaurant",
        "eat at {CUISINE} restaurant {WHEN}",
        "",
        "_ essen",
        "{WHEN} in einem {CUISINE}en Restaurant",
    ),
    P(
        "find_restaurant",
        "is there a good {CUISINE.bare} restaurant in {CITY}?",
        "gibt es in {CITY} ein gutes {CUISINE}es Restaurant?",
    ),
    C(
        "book_ticket",
        "book a ticket from {CITY} to {CITY2}",
        "buche _",
        "_ buchen",
        "eine Fahrkarte von {CITY} nach {CITY2}",
    ),
    C(
        "book_ticket",
        "buy {NUMBER} tickets to {CITY} for {DATE.bare}",
        "kauf _",
        "_ kaufen",
        "{NUMBER} Fahrkarten nach {CITY} für {DATE.day}",
    ),
    C(
        "book_ticket",
        "find a flight from {CITY} to {CITY2} for {DATE.bare}",
        "suche _",
        "_ suchen",
        "einen Flug von {CITY} nach {CITY2} für {DATE.day}",
    ),
    C("book_ticket", "travel to {CITY} {WHEN}", "", "_ reisen", "{WHEN} nach {CITY}"),
    P("train_times", "when does the next {VEHICLE.bare} to {CITY} leave?", "wann fährt {VEHICLE.next} nach {CITY}?"),
    P(
        "train_times",
        "how long does the {VEHICLE.bare} from {CITY} to {CITY2} take?",
        "wie lange braucht {VEHICLE.nom} von {CITY} nach {CITY2}?",
    ),
    P("train_times", "is there {VEHICLE} to {CITY} {DATE}?", "fährt {DATE} {VEHICLE.ein} nach {CITY}?"),
    C("send_message", "send a message to {PERSON}", "schick _", "_ schicken", "{PERSON.dat} eine Nachricht"),
    C(
        "send_message",
        "tell {PERSON} that {MESSAGE}",
        "sag _, dass {MESSAGE}",
        "_ sagen, dass {MESSAGE}",
        "{PERSON.dat}",
    ),
    C(
        "send_message",
        "write to {PERSON} that {MESSAGE}",
        "schreib _, dass {MESSAGE}",
        "_ schreiben, dass {MESSAGE}",
        "{PERSON.dat}",
    ),
    C(
        "send_message",
        "let {PERSON} know that {MESSAGE}",
        "gib _ Bescheid, dass {MESSAGE}",
        "_ Bescheid geben, dass {MESSAGE}",
        "{PERSON.dat}",
    ),
    C("make_call", "call {PERSON}", "ruf _ an", "_ anrufen", "{PERSON.acc}"),
    C("make_call", "call {PERSON} {WHEN}", "ruf _ an", "_ anrufen", "{PERSON.acc} {WHEN}"),
    C("make_call", "phone {PERSON} at {TIME}", "ruf _ an", "_ anrufen", "{PERSON.acc} um {TIME}"),
    C(
        "make_call",
        "start a video call with {PERSON}",
        "starte _",
        "_ starten",
        "einen Videoanruf mit {PERSON.dat}",
    ),
    C("make_call", "speak to {PERSON} {DATE}", "", "_ sprechen", "{DATE} mit {PERSON.dat}"),
    C("navigate", "take me to {PLACE}", "bring _", "_ bringen", "mich ~ {PLACE.zu}"),
    C(
        "navigate",
        "show me the way to {PLACE} in {CITY}",
        "zeig _",
        "_ zeigen",
        "mir ~ den Weg {PLACE.zu} in {CITY}",
    ),
    P("navigate", "where is the nearest {PLACE.bare} in {CITY}?", "wo ist {PLACE.next} in {CITY}?"),
    P("navigate", "how do I get to {PLACE} in {CITY}?", "wie komme ich {PLACE.zu} in {CITY}?"),
    P("navigate", "how far is it from {CITY} to {CITY2}?", "wie weit ist es von {CITY} nach {CITY2}?"),
    C("turn_on", "turn on {DEVICE}", "schalte _ ein", "_ einschalten", "{DEVICE.acc}"),
    C("turn_on", "turn on {DEVICE} {ROOM}", "schalte _ ein", "_ einschalten", "{DEVICE.acc} {ROOM}"),
    C("turn_on", "switch on {DEVICE} {ROOM}", "mach _ an", "_ anmachen", "{DEVICE.acc} {ROOM}"),
    C("turn_on", "turn on {DEVICE} at {TIME}", "schalte _ ein", "_ einschalten", "{DEVICE.acc} um {TIME}"),
    C("turn_off", "turn off {DEVICE}", "schalte _ aus", "_ ausschalten", "{DEVICE.acc}"),
    C("turn_off", "turn off {DEVICE} {ROOM}", "schalte _ aus", "_ ausschalten", "{DEVICE.acc} {ROOM}"),
    C("turn_off", "switch off {DEVICE} {ROOM}", "mach _ aus", "_ ausmachen", "{DEVICE.acc} {ROOM}"),
    C(
        "turn_off",
        "turn off {DEVICE} in {DURATION}",
        "schalte _ aus",
        "_ ausschalten",
        "{DEVICE.acc} in {DURATION.dat}",
    ),
    C(
        "set_temperature",
        "set the temperature {ROOM} to {DEGREES} degrees",
        "stell _",
        "_ stellen",
        "die Temperatur {ROOM} auf {DEGREES} Grad",
    ),
    C(
        "set_temperature",
        "heat the room to {DEGREES} degrees at {TIME}",
        "heiz _",
        "_ heizen",
        "das Zimmer um {TIME} auf {DEGREES} Grad",
    ),
    C("set_temperature", "make it warmer {ROOM}", "mach _ wärmer", "_ wärmer machen", "es ~ {ROOM}"),
    C(
        "dim_light",
        "dim the light {ROOM} to {PERCENT} percent",
        "dimme _",
        "_ dimmen",
        "das Licht {ROOM} auf {PERCENT} Prozent",
    ),
    C(
        "dim_light",
        "make the light {ROOM} a bit brighter",
        "mach _ etwas heller",
        "_ etwas heller machen",
        "das Licht {ROOM}",
    ),
    C(
        "dim_light",
        "make the light {ROOM} a bit darker",
        "mach _ etwas dunkler",
        "_ etwas dunkler machen",
        "das Licht {ROOM}",
    ),
    C("shopping_list", "add {FOOD} to my shopping list", "setz _", "_ setzen", "{FOOD} auf meine Einkaufsliste"),
    C(
        "shopping_list",
        "put {NUMBER} {FOOD.pack} of {FOOD} on the shopping list",
        "schreib _",
        "_ schreiben",
        "{NUMBER} {FOOD.packung} {FOOD} auf die Einkaufsliste",
    ),
    C(
        "shopping_list",
        "add {FOOD} and {FOOD2} to the list",
        "setz _",
        "_ setzen",
        "{FOOD} und {FOOD2} auf die Liste",
    ),
    P("shopping_list", "we have run out of {FOOD}.", "wir haben {FOOD.kein} {FOOD} mehr."),
    P(
        "shopping_list",
        "we need {NUMBER} {FOOD.pack} of {FOOD} for {DATE.bare}.",
        "wir brauchen {NUMBER} {FOOD.packung} {FOOD} für {DATE.day}.",
    ),
    C("find_recipe", "find a recipe for {DISH}", "suche _", "_ suchen", "ein Rezept für {DISH}"),
    C(
        "find_recipe",
        "show me a recipe with {FOOD} and {FOOD2}",
        "zeig _",
        "_ zeigen",
        "mir ~ ein Rezept mit {FOOD} und {FOOD2}",
    ),
    C("find_recipe", "make {DISH} {WHEN}", "", "_ machen", "{WHEN} {DISH}"),
    P("find_recipe", "how do I make {DISH} for {NUMBER} people?", "wie macht man {DISH} für {NUMBER} Personen?"),
    P("find_recipe", "what can I cook with {FOOD} and {FOOD2}?", "was kann ich mit {FOOD} und {FOOD2} kochen?"),
    P("translate_phrase", "how do you say {PHRASE} in {LANGUAGE}?", "wie sagt man {PHRASE} auf {LANGUAGE}?"),
    P("translate_phrase", "what is {PHRASE} in {LANGUAGE}?", "was heißt {PHRASE} auf {LANGUAGE}?"),
    C(
        "translate_phrase",
        "translate {PHRASE} into {LANGUAGE}",
        "übersetze _",
        "_ übersetzen",
        "{PHRASE} ins {LANGUAGE}e",
    ),
)
