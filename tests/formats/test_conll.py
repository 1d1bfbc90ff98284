"""Files of tokens: what is read, what is refused, and that nothing but the labels changes."""

import gzip
import lzma
import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from catena.errors import CatenaError
from catena.formats import read_tokens

CHUNKS = "Confidence NN B-NP\nin IN B-PP\n# # B-NP\n\n\nHe PRP B-NP\n. . O\n\n"
ENTITIES = (
    "-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\n. . O O\n\n-DOCSTART- -X- -X- O\n\nA NN I-NP O\n"
)
TREEBANK = (
    "# newdoc id = d1\n# text = vámonos al mar\n"
    "1-2\tvámonos\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n"
    "1\tvamos\tir\tVERB\t_\tMood=Imp|Number=Plur\t0\troot\t_\t_\n"
    "2\tnos\tnosotros\tPRON\t_\t_\t1\tobj\t_\t_\n"
    "2.1\tya no\tya\tADV\t_\t_\t_\t_\t1:advmod\t_\n"
    "3\tNew York\tNew York\tPROPN\t_\t_\t1\tobl\t_\t_\n"
    "# a comment between sentences\n\n"
    "1\t#\t#\tSYM\t_\t_\t0\troot\t_\t_\n\n"
)
PAIRS = "ein\tDET\r\nsehr großes\tADJ\r\n\r\n\u3000\tPUNCT"


def data(*parts):
    folder = os.environ.get("CATENA_DATA")
    path = Path(folder or ".").joinpath(*parts)
    if folder is None or not path.exists():
        pytest.skip(f"CATENA_DATA names no folder with {'/'.join(parts)}")
    return path


def test_conll_2000(write):
    path = write(CHUNKS, "train.txt")
    file = read_tokens(path)
    assert file.columns == ("form", "pos", "label")
    assert file.column("form") == [["Confidence", "in", "#"], ["He", "."]]
    assert file.labels() == [["B-NP", "B-PP", "B-NP"], ["B-NP", "O"]]
    assert (len(file), file.place(1, 1)) == (2, f"{path}, line 7")


def test_conll_2003(write):
    file = read_tokens(write(ENTITIES, "eng.train"))
    assert file.columns == ("form", "pos", "chunk", "label")
    assert file.column("form") == [["EU", "."], ["A"]]
    assert file.labels("chunk") == [["I-NP", "O"], ["I-NP"]]


@pytest.mark.parametrize("name", ["es.conllu", "es.txt"])
def test_conll_u(write, name):
    file = read_tokens(write(TREEBANK, name))
    assert file.column("form") == [["vamos", "nos", "New York"], ["#"]]
    assert file.labels() == [["VERB", "PRON", "PROPN"], ["SYM"]]
    assert file.place(0, 2).endswith("line 7")


def test_two_columns_by_tabs(write):
    file = read_tokens(write(PAIRS, "a.tsv"))
    assert file.column("form") == [["ein", "sehr großes"], ["\u3000"]]
    assert file.labels() == [["DET", "ADJ"], ["PUNCT"]]


def test_columns_are_named_by_the_user(write):
    path = write(ENTITIES)
    file = read_tokens(path, columns="form,_,label,ner")
    assert (file.label, file.labels()) == ("label", [["I-NP", "O"], ["I-NP"]])
    assert read_tokens(path, columns=["word", "_", "_", "entity"]).label == "entity"
    with pytest.raises(CatenaError, match=r"no column 'pos' \(there are: form, _, label, ner\)"):
        file.column("pos")


REPLACED = {
    "chunks.txt": CHUNKS,
    "documents.txt": ENTITIES,
    "tree.conllu": TREEBANK,
    "pairs.tsv": PAIRS,
    "blanks.txt": "a   DET \r\n b\tNN  \n   \nc X",
    "one.txt": "a X",
    "no-break.txt": "1\u00a0000 NUM\n\u3000 PUNCT\n",
}


@pytest.mark.parametrize("name", REPLACED)
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_only_the_labels_change(write, name, bom):
    text = bom + REPLACED[name]
    file = read_tokens(write(text, name))
    assert file.replaced(file.labels()) == text.encode()
    marked = file.replaced([[f"<{label}>" for label in row] for row in file.labels()])
    assert marked.decode().count("<") == sum(map(len, file.labels()))
    assert marked.decode().replace("<", "").replace(">", "") == text
    again = read_tokens(write(marked, name))
    assert again.labels() == [[f"<{label}>" for label in row] for row in file.labels()]


@settings(max_examples=200)
@given(
    st.text(" \t\n\r#_12-.aX\u00a0\u2028é\ufeff"), st.sampled_from(["d.txt", "d.tsv", "d.conllu"])
)
@example("a\t\t\nb\t \tc\r\n\t", "d.tsv")
def test_whatever_is_in_a_file_it_is_refused_or_kept(write, text, name):
    path = write(text, name)
    file = refused = None
    try:
        file = read_tokens(path)
    except CatenaError as error:
        refused = str(error)
    assert refused is None or refused.startswith(str(path))
    for column in () if file is None else file.columns:
        values = file.column(column)
        if all(all(row) for row in values):
            assert file.replaced(values, column) == text.encode()


def test_other_columns_can_be_replaced_and_added(write):
    file = read_tokens(write(ENTITIES))
    values = [["1", "2"], ["3"]]
    assert file.replaced(values, "chunk").decode().splitlines()[2:4] == [
        "EU NNP 1 I-ORG",
        ". . 2 O",
    ]
    added = file.replaced(values, "guess").decode()
    assert added.splitlines() == [
        "-DOCSTART- -X- O O O", "", "EU NNP I-NP I-ORG 1", ". . O O 2", "",
        "-DOCSTART- -X- -X- O O", "", "A NN I-NP O 3",
    ]  # fmt: skip
    pairs = read_tokens(write(PAIRS, "a.tsv"))
    assert pairs.replaced([["x", "y"], ["z"]], "guess").decode() == (
        "ein\tDET\tx\r\nsehr großes\tADJ\ty\r\n\r\n\u3000\tPUNCT\tz"
    )


def test_other_encodings_stay_what_they_are(write):
    raw = "naïve ADJ\n".encode("latin-1")
    file = read_tokens(write(raw), encoding="latin-1")
    assert file.column("form") == [["naïve"]]
    assert file.replaced([["X"]]) == "naïve X\n".encode("latin-1")
    with pytest.raises(CatenaError, match="'形' cannot be written as latin-1"):
        file.replaced([["形"]])


@pytest.mark.parametrize(("suffix", "squeeze"), [(".xz", lzma.compress), (".gz", gzip.compress)])
def test_compressed_files(write, suffix, squeeze):
    file = read_tokens(write(squeeze(TREEBANK.encode()), "es.conllu" + suffix))
    assert file.replaced(file.labels()) == TREEBANK.encode()


def test_standard_input(pipe):
    assert read_tokens(pipe(TREEBANK.encode())).labels()[1] == ["SYM"]


@pytest.mark.parametrize(
    ("text", "name", "line", "message"),
    [
        ("a X\nb\n", "d.txt", 2, "1 column, where 2 are expected"),
        ("a X\nb Y Z\n", "d.txt", 2, "3 columns, where 2 are expected"),
        ("a X\n\n# text = a b\nc X\n", "d.txt", 3, "comments are for CoNLL-U"),
        ("a X\nb Y\rc Z\n", "d.txt", 2, "a carriage return inside the line"),
        ("a\tX\nb X\n", "d.tsv", 2, "this line has spaces where others have tabs"),
        (TREEBANK.replace("\t1\tobl", "\tobl"), "d.conllu", 7, "9 columns, where 10 are expected"),
        (TREEBANK.replace("3\tNew", "x\tNew"), "d.conllu", 7, "'x' is no number of a token"),
    ],
)
def test_ragged_columns_are_named(write, text, name, line, message):
    path = write(text, name)
    with pytest.raises(CatenaError, match=message) as caught:
        read_tokens(path)
    assert str(caught.value).startswith(f"{path}, line {line}: ")


@pytest.mark.parametrize(
    ("text", "name", "line", "place"),
    [
        ("a\tX\n\nb\tY\nc\t\n", "d.tsv", 4, (1, 1)),
        (TREEBANK.replace("PRON", "_"), "d.conllu", 5, (0, 1)),
    ],
)
def test_a_missing_label_is_named(write, text, name, line, place):
    path = write(text, name)
    file = read_tokens(path)
    with pytest.raises(CatenaError, match="no label in column") as caught:
        file.labels()
    assert str(caught.value).startswith(f"{path}, line {line}: ")
    assert (caught.value.sequence, caught.value.step) == place


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("form,label", "line 1: 3 columns, but --columns names 2"),
        ("form,pos,chunk,label", "line 1: 3 columns, but --columns names 4"),
        ("form,form,label", "give each column another name"),
        ("form,,label", "give each column another name"),
        ("_,_,_", "give each column another name"),
    ],
)
def test_wrong_names_of_columns(write, columns, message):
    with pytest.raises(CatenaError, match=message):
        read_tokens(write(CHUNKS), columns=columns)


@pytest.mark.parametrize("text", ["\n \n\t\n", "-DOCSTART- O\n\n", "# text = nothing\n"])
def test_no_tokens(write, text):
    with pytest.raises(CatenaError, match="no tokens; there is nothing to read"):
        read_tokens(write(text, "d.conllu"))


@pytest.mark.parametrize(
    ("values", "column", "message"),
    [
        ([["A", "B", "C"]], None, "has 2 sentences, not 1"),
        ([["A", "B"], ["C", "D"]], None, "line 1: a sentence of 3 tokens, but 2 values"),
        ([["A", "", "C"], ["D", "E"]], None, "line 2: '' does not fit"),
        ([["A", "B", "C"], ["D", "E F"]], None, "line 7: 'E F' does not fit"),
        ([["A", "B", "C\n"], ["D", "E"]], None, "line 3: .* does not fit"),
    ],
)
def test_values_that_do_not_fit(write, values, column, message):
    with pytest.raises(CatenaError, match=message):
        read_tokens(write(CHUNKS)).replaced(values, column)


def test_conll_u_keeps_its_ten_columns(write):
    file = read_tokens(write(TREEBANK, "d.conllu"))
    with pytest.raises(CatenaError, match="CoNLL-U has no column 'guess'"):
        file.replaced(file.labels(), "guess")


@pytest.mark.parametrize(
    ("parts", "sentences", "tokens"),
    [
        (("conll2000", "test.txt.xz"), 2012, 47377),
        (("conll2003", "eng.testb.xz"), 3453, 46435),
        (("ud_english_ewt", "en_ewt-ud-test.conllu.xz"), 2077, 25094),
        (("ud_chinese_gsd_1.4", "zh-ud-test.conllu.xz"), 500, 12012),
    ],
)
def test_published_files_survive_byte_for_byte(parts, sentences, tokens):
    path = data(*parts)
    file = read_tokens(path)
    labels = file.labels()
    assert (len(file), sum(map(len, labels))) == (sentences, tokens)
    assert file.replaced(labels) == lzma.decompress(path.read_bytes())
