"""The configuration: what is read from where, and what an operator is told when something is wrong."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import loader
from gateway.config.secret_keys import GENERATE_COMMAND
from gateway.config.settings import Config
from gateway.config.voice import VoiceSettings
from gateway.config.yaml_reader import YamlReader
from gateway.wiring.models.providers import build_voice
from schemas.errors import ConfigInvalid

ROOT = Path(__file__).resolve().parents[3]
SHOP = "tenants:\n  shop:\n    name: Shop\n"
LONG, HUSH, DIGITS = "x" * 32, "hush-hush" * 4, "0123" * 8


def write(folder: Path, text: str) -> Path:
    file = folder / "parley.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def load(folder: Path, text: str, **environ: str) -> Config:
    return loader.load(write(folder, text), environ=environ, make_secrets=False)


def problem(folder: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        load(folder, text, **environ)
    return caught.value.message.replace(str(folder) + "/", "")


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Paths are shown relative to the working folder, so it must not be the file's."""
    other = tmp_path / "elsewhere"
    other.mkdir()
    monkeypatch.chdir(other)


ERRORS: dict[str, tuple[str, str]] = {
    "unknown key": (
        SHOP + "    chanels: {}\n",
        "parley.yaml:4:5: tenants.shop.chanels: unknown key; did you mean 'channels'?",
    ),
    "unknown key far from any": (
        SHOP + "    fold: {qqq: 1}\n",
        "parley.yaml:4:12: tenants.shop.fold.qqq: unknown key; available: longest, others, restarts, web",
    ),
    "unknown key in an account": (
        SHOP + "    channels:\n      web:\n        main: {origin: ['*']}\n",
        "parley.yaml:6:16: tenants.shop.channels.web.main.origin: unknown key; did you mean 'origins'?",
    ),
    "missing value": (
        "tenants:\n  shop:\n    voice: {}\n",
        "parley.yaml:2:3: tenants.shop.name: must be set",
    ),
    "no tenants": ("listen: 127.0.0.1:8080\n", "parley.yaml:1:1: tenants: must be set"),
    "empty file": ("", "parley.yaml:1:1: tenants: must be set"),
    "left empty": (
        SHOP + "    voice:\n",
        "parley.yaml:4:5: tenants.shop.voice: is left empty; give it a value or remove the line",
    ),
    "unset variable": (
        SHOP + "admin_token: ${TOKEN}\n",
        "parley.yaml:4:14: the environment variable TOKEN is not set: set it with `export TOKEN=…`, or write "
        "${TOKEN:-} if it may be empty",
    ),
    "missing secret file": (
        SHOP + "admin_token: file:secrets/token\n",
        "parley.yaml:4:14: cannot read the file secrets/token: No such file or directory",
    ),
    "number for text": (
        SHOP + "secret_key: 12345\n",
        "parley.yaml:4:1: secret_key: must be text; put it in quotes",
    ),
    "short admin token": (
        SHOP + "admin_token: abcdefghijklmnopqrstuvwxyz01234\n",
        f"parley.yaml:4:1: admin_token: must be at least 32 bytes long; make one with: {GENERATE_COMMAND}",
    ),
    "short secret of the site": (
        SHOP + "    channels: {web: {main: {identity_secret: a}}}\n",
        "parley.yaml:4:29: tenants.shop.channels.web.main.identity_secret: must be at least 32 bytes long; make one "
        f"with: {GENERATE_COMMAND}",
    ),
    "bad listen": (
        SHOP + "listen: localhost\n",
        "parley.yaml:4:1: listen: must be host:port, such as 127.0.0.1:8080",
    ),
    "port too high": (SHOP + "listen: 127.0.0.1:70000\n", "parley.yaml:4:1: listen: the port must be at most 65535"),
    "bad bus": (SHOP + "bus: rabbit\n", "parley.yaml:4:1: bus: must be sqlite or kafka://host:port[,host:port]"),
    "bad color": (
        SHOP + "    channels: {web: {main: {theme: {color: green}}}}\n",
        "parley.yaml:4:37: tenants.shop.channels.web.main.theme.color: must be a colour such as #2f6f4f",
    ),
    "wrong word": (
        SHOP + "    channels: {web: {main: {identity: maybe}}}\n",
        "parley.yaml:4:29: tenants.shop.channels.web.main.identity: must be 'off', 'optional' or 'required'",
    ),
    "out of range": (
        SHOP + "partitions: 0\n",
        "parley.yaml:4:1: partitions: must be at least 1",
    ),
    "port alone": (SHOP + "listen: 8080\n", "parley.yaml:4:1: listen: must be host:port, such as 127.0.0.1:8080"),
    "name of a language": (
        SHOP + "    voice: {locale: english}\n",
        "parley.yaml:4:13: tenants.shop.voice.locale: must be the code of a language, such as en, de or pt-BR",
    ),
    "origin without a scheme": (
        SHOP + "    channels: {web: {main: {origins: [www.x.example]}}}\n",
        "parley.yaml:4:39: tenants.shop.channels.web.main.origins[0]: must be * or the address of a site, such as "
        "https://shop.example.com",
    ),
    "color that is a comment": (
        SHOP + "    channels:\n      web:\n        main:\n          theme:\n            color: #1f5fa8\n",
        "parley.yaml:8:13: tenants.shop.channels.web.main.theme.color: is left empty; a # begins a comment, so put a "
        "value that begins with it in quotes",
    ),
    "share as a percentage": (
        SHOP + "    knowledge: {answerable_above: 75%}\n",
        "parley.yaml:4:17: tenants.shop.knowledge.answerable_above: must be a number from 0 to 1: write 0.75",
    ),
    "share as a number of percent": (
        SHOP + "    knowledge: {answerable_above: 75}\n",
        "parley.yaml:4:17: tenants.shop.knowledge.answerable_above: must be a number from 0 to 1: write 0.75",
    ),
    "synonyms as a mapping": (
        SHOP + "    knowledge: {synonyms: {car: auto}}\n",
        "parley.yaml:4:17: tenants.shop.knowledge.synonyms: must be a list of groups of words that mean the same, such "
        "as [[car, auto]]",
    ),
    "quote that does not end": (
        'listen: "127.0.0.1:1\n' + SHOP,
        "parley.yaml:1:9: not valid YAML: the quote that begins here does not end where it should",
    ),
    "not a mapping": (SHOP + "    fold: 3\n", "parley.yaml:4:5: tenants.shop.fold: must be a mapping of settings"),
    "not a list": (
        SHOP + "    knowledge: {paths: docs}\n",
        "parley.yaml:4:17: tenants.shop.knowledge.paths: must be a list",
    ),
    "bad tenant name": (
        "tenants:\n  My Shop: {name: Shop}\n",
        "parley.yaml:2:3: tenants.My Shop: must be 1-63 of a-z, 0-9, '-' and '_', and begin with a letter or a digit",
    ),
    "written twice": (
        "listen: 127.0.0.1:1\n" + SHOP + "listen: 127.0.0.1:2\n",
        "parley.yaml:5:1: listen: written twice, first at parley.yaml:1:1",
    ),
    "not YAML": (
        "tenants: [\n",
        "parley.yaml:2:1: not valid YAML: expected the node content, but found '<stream end>'",
    ),
    "indented with a tab": (
        "tenants:\n\tshop: {}\n",
        "parley.yaml:2:1: not valid YAML: found character '\\t' that cannot start any token",
    ),
    "not a mapping at all": (
        "- a\n",
        "parley.yaml:1:1: must be a mapping of settings",
    ),
    "Sentinels without a group": (
        SHOP
        + f"secret_key: {'k' * 32}\nadmin_token: {'t' * 32}\n"
        + "bus: kafka://127.0.0.1:9092\nstate: redis+sentinel://one:26379\n",
        "parley.yaml:7:1: the address of `state` names no Sentinel, or no group: "
        "write redis+sentinel://host1:26379,host2:26379,host3:26379/NAME/0, where NAME is the group in sentinel.conf",
    ),
    "a cluster with a database": (
        SHOP
        + f"secret_key: {'k' * 32}\nadmin_token: {'t' * 32}\n"
        + "bus: kafka://127.0.0.1:9092\nstate: redis+cluster://one:6379/2\n",
        "parley.yaml:7:1: a cluster has only the database 0: "
        "write redis+cluster://host1:6379,host2:6379,host3:6379, naming some of the nodes, and no database",
    ),
    "one address for both": (
        SHOP + "listen: 127.0.0.1:8080\nadmin_listen: 127.0.0.1:8080\n",
        "parley.yaml:5:1: admin_listen: must differ from listen; leave it out to serve everything at one address",
    ),
    "mixed modes": (
        SHOP + "bus: sqlite\nstate: redis://127.0.0.1:6379/0\n",
        "parley.yaml:4:1: bus is sqlite, but state is not: use sqlite for both, or kafka:// and redis:// together",
    ),
    "desk without its account": (
        SHOP + "    desk: {channel: C0123456789}\n",
        "parley.yaml:2:3: tenants.shop: desk.account names 'main', which is not an account under channels.slack",
    ),
    "desk where nobody can work": (
        SHOP + "    desk: {kind: web, channel: C0123456789}\n",
        "parley.yaml:4:12: tenants.shop.desk.kind: must be a channel in which people can work, such as slack",
    ),
    "desk in a place of another kind": (
        SHOP + "    desk: {channel: '#support'}\n",
        "parley.yaml:4:12: tenants.shop.desk.channel: must be the id of a Slack channel, such as C0123456789",
    ),
    "desk that calls nobody it knows": (
        SHOP + "    desk: {channel: C0123456789, times: {escalate_to: leads}}\n",
        "parley.yaml:4:34: tenants.shop.desk.times: escalate_to must be the id of a Slack channel, such as C0123456789",
    ),
    "self-containing alias": (
        "tenants:\n  shop: &a\n    name: Shop\n    voice: *a\n",
        "parley.yaml:2:9: an alias may not contain itself",
    ),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_each_kind_of_mistake_is_told_with_its_place(tmp_path: Path, kind: str) -> None:
    text, expected = ERRORS[kind]
    assert problem(tmp_path, text) == expected


def test_a_value_with_a_colon_is_told_to_need_quotes(tmp_path: Path) -> None:
    (tmp_path / "parley.yaml").write_text(SHOP + "    voice: {}\n    greeting: Hello: Ask me\n")
    with pytest.raises(ConfigInvalid, match="mapping values are not allowed here") as refused:
        loader.load(tmp_path / "parley.yaml")
    assert refused.value.fix.startswith('put quotes around a value that contains ": "')


@pytest.mark.parametrize("locale", ["en", "de", "pt-BR", "zh-Hant-TW", "pt_br"])
def test_the_letters_of_a_locale_are_kept(tmp_path: Path, locale: str) -> None:
    (tmp_path / "parley.yaml").write_text(SHOP + f"    voice: {{locale: {locale}}}\n")
    assert loader.load(tmp_path / "parley.yaml").tenants["shop"].voice.locale == locale


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("provider: twilio, form: 'whatsapp:+15550100'", "main.form: unknown key; did you mean 'from'?"),
        ("provider: meta, verify_tokn: x", "main.verify_tokn: unknown key; did you mean 'verify_token'?"),
        ("provider: pigeon", "main.provider: must be one of 'meta', 'twilio'"),
        ("access_token: x", "main.provider: must be set"),
        ("provider: meta, phone_number_id: '+15550100'", "must be the number's id of 5-20 digits, not the number"),
        ("provider: meta, app_secret: ' '", "main.app_secret: must not be empty"),
        ("provider: meta, app_secret: hunter2", "main.access_token: must be set"),
    ],
)
def test_a_mistake_in_an_account_is_told_in_the_words_of_its_provider(
    tmp_path: Path, settings: str, expected: str
) -> None:
    told = problem(tmp_path, SHOP + f"    channels:\n      whatsapp:\n        main: {{{settings}}}\n")
    assert expected in told
    assert "hunter2" not in told


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    told = problem(tmp_path, SHOP + "    chanels: {}\nlisten: x\nsecret_key: ${NOPE}\n")
    assert told.splitlines() == [
        "3 problems in parley.yaml:",
        "  parley.yaml:6:13: the environment variable NOPE is not set: set it with `export NOPE=…`, or write ${NOPE:-} "
        "if it may be empty",
        "  parley.yaml:5:1: listen: must be host:port, such as 127.0.0.1:8080",
        "  parley.yaml:4:5: tenants.shop.chanels: unknown key; did you mean 'channels'?",
    ]


def test_a_value_that_could_not_be_read_is_reported_once(tmp_path: Path) -> None:
    told = problem(tmp_path, SHOP + "listen: ${ADDRESS}\npartitions: file:secrets/count\n")
    assert [line.split(": ")[1] for line in told.splitlines()[1:]] == [
        "the environment variable ADDRESS is not set",
        "cannot read the file secrets/count",
    ]


def test_a_problem_never_shows_the_value(tmp_path: Path) -> None:
    told = problem(tmp_path, SHOP + "secret_key: [hush-hush]\npartitions: hush-hush\nlisten: hush-hush\n")
    assert "hush" not in told


def test_precedence_is_defaults_file_environment_flags(tmp_path: Path) -> None:
    file = write(tmp_path, SHOP + "listen: 127.0.0.1:1000\npartitions: 5\n")
    environ = {"PARLEY_PORT": "2000", "PARLEY__PARTITIONS": "6"}

    def listen(environ: dict[str, str], flags: dict[str, Any]) -> tuple[str, int]:
        loaded = loader.load(file, environ=environ, flags=flags, make_secrets=False)
        return loaded.listen, loaded.partitions

    assert load(tmp_path / "elsewhere", SHOP).listen == "127.0.0.1:8080"
    assert listen({}, {}) == ("127.0.0.1:1000", 5)
    assert listen(environ, {}) == ("127.0.0.1:2000", 6)
    assert listen(environ, {"port": 3000, "partitions": None}) == ("127.0.0.1:3000", 6)


def test_nested_settings_come_from_the_environment(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        "tenants:\n  plant-store:\n    name: Shop\n",
        PARLEY__TENANTS__PLANT_STORE__NAME="Other",
        PARLEY__TENANTS__PLANT_STORE__CHANNELS__WEB__MAIN__ORIGINS='["https://a.example", "https://b.example"]',
        PARLEY__TENANTS__PLANT_STORE__FOLD__WEB="0.1",
    )
    tenant = loaded.tenants["plant-store"]
    assert (tenant.name, tenant.fold.web) == ("Other", 0.1)
    assert tenant.channels.web["main"].origins == ["https://a.example", "https://b.example"]


def test_a_wrong_environment_setting_is_named(tmp_path: Path) -> None:
    told = problem(tmp_path, SHOP, PARLEY__PARTITION="3", PARLEY_BUS="rabbit", PARLEY_PORT="http")
    assert "environment PARLEY__PARTITION: partition: unknown key; did you mean 'partitions'?" in told
    assert "environment PARLEY_BUS: bus: must be sqlite or kafka://host:port[,host:port]" in told
    assert "environment PARLEY_PORT: must be a number up to 65535, such as 8080" in told


def test_variables_and_files_are_filled_in(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("from-a-file-that-has-32-characters\n")
    loaded = load(
        tmp_path,
        "secret_key: ${KEY}\nadmin_token: file:token\npublic_url: https://${HOST:-chat.example}/x\n"
        "tenants:\n  shop:\n    name: a $${b} c\n    fold: {web: '${QUIET:-0.2}', longest: '${LONG}'}\n",
        KEY="00700700700700700700700700700700",
        LONG="9",
    )
    assert loaded.secret_key.get_secret_value() == "00700700700700700700700700700700"
    assert loaded.admin_token.get_secret_value() == "from-a-file-that-has-32-characters"
    assert loaded.public_url == "https://chat.example/x"
    assert loaded.tenants["shop"].name == "a ${b} c"
    assert (loaded.tenants["shop"].fold.web, loaded.tenants["shop"].fold.longest) == (0.2, 9)


def test_off_is_a_word_and_a_leading_zero_is_kept(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        f"secret_key: {DIGITS}\n" + SHOP + "    channels: {web: {main: {identity: off}}}\n",
    )
    assert loaded.tenants["shop"].channels.web["main"].identity == "off"
    assert loaded.secret_key.get_secret_value() == DIGITS


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    loaded = load(tmp_path, SHOP + "    knowledge: {paths: [docs, /srv/docs]}\ndata_dir: data\n")
    assert loaded.data_dir == str(tmp_path / "data")
    assert loaded.tenants["shop"].knowledge.paths == [str(tmp_path / "docs"), "/srv/docs"]


def test_secrets_are_made_once_and_readable_by_the_owner_alone(tmp_path: Path) -> None:
    file = write(tmp_path, SHOP + "data_dir: data\n")
    first, second = loader.load(file, environ={}), loader.load(file, environ={})
    assert len(first.secret_key.get_secret_value()) >= 40
    assert first.secret_key == second.secret_key
    assert first.admin_token == second.admin_token != first.secret_key
    for name in ("secret_key", "admin_token"):
        assert stat.S_IMODE((tmp_path / "data" / name).stat().st_mode) == 0o600


def test_a_chosen_secret_is_used_and_nothing_is_written(tmp_path: Path) -> None:
    file = write(tmp_path, SHOP + f"data_dir: data\nsecret_key: {LONG}\nadmin_token: {LONG}-too\n")
    assert loader.load(file, environ={}).secret_key.get_secret_value() == LONG
    assert not (tmp_path / "data").exists()


def test_a_short_secret_is_refused_wherever_it_comes_from(tmp_path: Path) -> None:
    told = problem(tmp_path, SHOP + "secret_key: ${KEY}\n", KEY="k", PARLEY__ADMIN_TOKEN="t")
    assert "parley.yaml:4:1: secret_key: must be at least 32 bytes long" in told
    assert "environment PARLEY__ADMIN_TOKEN: admin_token: must be at least 32 bytes long" in told
    file = write(tmp_path, SHOP + "data_dir: data\n")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "admin_token").write_text("chosen by hand\n")
    with pytest.raises(ConfigInvalid, match="admin_token: must be at least 32 bytes long") as caught:
        loader.load(file, environ={})
    assert "chosen by hand" not in str(caught.value)


def test_bytes_are_counted_and_not_characters(tmp_path: Path) -> None:
    loaded = load(tmp_path, SHOP + 'admin_token: "' + "ß" * 16 + '"\n')
    assert loaded.admin_token.get_secret_value() == "ß" * 16


def test_scaled_mode_refuses_empty_secrets(tmp_path: Path) -> None:
    scaled = SHOP + "bus: kafka://127.0.0.1:9092\nstate: redis://127.0.0.1:6379/0\n"
    told = problem(tmp_path, scaled, PARLEY__ADMIN_TOKEN=LONG)
    assert told == (
        "parley.yaml:1:1: secret_key must be set when several processes share it (kafka:// and redis://): "
        "put one value in the environment as PARLEY_SECRET_KEY"
    )
    assert not load(tmp_path, scaled, PARLEY__ADMIN_TOKEN=LONG, PARLEY__SECRET_KEY=LONG).embedded


def test_secrets_do_not_print(tmp_path: Path) -> None:
    loaded = load(tmp_path, SHOP + f"secret_key: {HUSH}\nadmin_token: {HUSH}\n")
    assert "hush" not in f"{loaded!r} {loaded} {loaded.model_dump_json()}"


def test_a_missing_file_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"there is no parley\.yaml in ") as caught:
        loader.load(environ={})
    assert "--config FILE" in caught.value.fix
    with pytest.raises(ConfigInvalid, match=r"there is no configuration file .*/gone\.yaml"):
        loader.load(environ={"PARLEY_CONFIG": "gone.yaml"})


def test_the_example_is_valid(tmp_path: Path) -> None:
    loaded = loader.load(ROOT / "examples/plantstore/parley.yaml", environ={}, make_secrets=False)
    tenant = loaded.tenants["plantstore"]
    assert tenant.name == "Nepenthes & Co"
    assert list(tenant.channels.web) == ["main"]
    assert Path(tenant.knowledge.paths[0]).is_dir()


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0:80", "http://127.0.0.1:80"),
        ("[::1]:8080", "http://[::1]:8080"),
        ("[::]:8080", "http://[::1]:8080"),
        ("chat.example:8080", "http://chat.example:8080"),
    ],
)
def test_commands_find_the_instance_by_its_listen_address(tmp_path: Path, listen: str, url: str) -> None:
    assert load(tmp_path, SHOP + f"listen: '{listen}'\n").local_url == url


# ── phrases with an earlier name ─────────────────────────────────────────────────────────────────────────────────────

RENAMED_PHRASES = {
    "closed": "desk_closed",
    "closed_until": "desk_closed_until",
    "declined": "action_declined",
    "done": "action_done",
    "failed": "processing_failed",
    "go_on": "assistant_back",
    "not_done": "action_failed",
    "refused": "action_refused",
    "still_unclear": "earlier_action_being_checked",
    "unclear": "action_being_checked",
    "unclear_still": "action_check_failed",
    "wait": "models_unavailable",
}


@pytest.mark.parametrize(("earlier", "name"), RENAMED_PHRASES.items())
def test_a_phrase_is_set_by_its_name_and_by_its_earlier_name(tmp_path: Path, earlier: str, name: str) -> None:
    for key in (name, earlier):
        voice = load(tmp_path, f"{SHOP}    voice: {{{key}: In our own words.}}\n").tenants["shop"].voice
        assert voice.model_dump()[name] == "In our own words."
        assert voice.model_fields_set == {name}
        assert getattr(build_voice(voice), name) == "In our own words."


def test_a_phrase_under_both_of_its_names_is_refused(tmp_path: Path) -> None:
    text = f"{SHOP}    voice:\n      desk_closed: One.\n      closed: Two.\n"
    assert problem(tmp_path, text).startswith("parley.yaml:6:7: tenants.shop.voice.closed: unknown key")


def test_an_earlier_name_is_shown_where_its_value_is_wrong(tmp_path: Path) -> None:
    text = f"{SHOP}    voice:\n      closed: 5\n"
    assert problem(tmp_path, text) == "parley.yaml:5:7: tenants.shop.voice.closed: must be text; put it in quotes"


def test_only_the_new_names_are_documented() -> None:
    assert not RENAMED_PHRASES.keys() & VoiceSettings.model_json_schema()["properties"].keys()


def test_values_and_positions_are_the_same_without_the_parser_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    file = ROOT / "examples" / "plantstore" / "parley.yaml"
    fast = YamlReader(file, {}).read(file.read_text(encoding="utf-8"))
    monkeypatch.delattr(yaml, "CSafeLoader")
    assert YamlReader(file, {}).read(file.read_text(encoding="utf-8")) == fast
    assert fast.position_of(("tenants", "plantstore")).endswith(":3")


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        ("tenants:\n\tshop: {}\n", "indent with spaces: YAML allows no tabs"),
        ("tenants: {shop: {name: ${NAME}}}\n", 'inside { } and [ ], put quotes around "${VARIABLE}"'),
        ("tenants: shop: x\n", 'put quotes around a value that contains ": ", and begin nested settings on a new line'),
    ],
)
def test_what_is_no_yaml_is_told_with_its_cure(tmp_path: Path, text: str, fix: str) -> None:
    (tmp_path / "parley.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigInvalid) as caught:
        loader.load(tmp_path / "parley.yaml", environ={})
    assert caught.value.fix == fix


@pytest.mark.parametrize("port", ["abc", "65536", "-1", "8080 "])
def test_a_port_that_is_none_is_named_as_such(tmp_path: Path, port: str) -> None:
    (tmp_path / "parley.yaml").write_text(SHOP, encoding="utf-8")
    with pytest.raises(ConfigInvalid, match="environment PARLEY_PORT: must be a number up to 65535"):
        loader.load(tmp_path / "parley.yaml", environ={"PARLEY_PORT": port})
