"""How management systems cut the password out of the NDES page.

SPDX-License-Identifier: Apache-2.0

Each takes the octets of a page and gives the password or None; the patterns
are those of the programs, which are public.
"""
import re

LABEL = "The enrollment challenge password is"


def decode_as_fleet(page):
    """UTF-16LE where it looks like it, else by the charset, UTF-8."""
    wide = page[:2] == b"<\0" or page[:2] == b"\xff\xfe"
    return page.decode("utf-16-le" if wide else "utf-8")


def fleet(page):
    found = re.search(r"(?i)The enrollment challenge password is: <B> "
                      r"(?P<password>\S*)", decode_as_fleet(page))
    return found["password"] if found else None


def raw_octets(page):
    """A newer client, on the octets as they are."""
    text = page.decode("latin-1")
    if re.search("password cache is full|do not have sufficient permission",
                 text.lower()):
        return None
    found = re.search(r"(?is)enrollment challenge password is:\s*<b>\s*"
                      r"([^<\s]+)\s*</b>", text)
    return found[1] if found else None


def scepwright(page):
    text = page.decode("utf-8")
    found = (re.search("(?is)challenge password.*?([0-9A-Fa-f]{8,64})", text)
             or re.search("([0-9A-Fa-f]{8,64})", text))
    return found[1] if found else None


def ilo(length):
    """HPE's PowerShell script, told half the number of digits."""
    def parse(page):
        text = page.decode("utf-16-le")
        found = [word for word in re.split(r"\s+", text)
                 if re.match("(?i)[A-F0-9]{%d}" % (2 * length), word)]
        if re.search("The password cache is full", text) or not found:
            return None
        return found[0]
    return parse


def split_by_tags(page):
    """A Python script that counts one character in front of the label."""
    text = page.decode("UTF-16")
    if "cache is full" in text:
        return None
    parts = text.split(">")
    index = [i + 1 for i, part in enumerate(parts)
             if part.find(LABEL + ": <B") == 1]
    thumb = [i + 1 for i, part in enumerate(parts) if part.find(
        "The thumbprint (hash value) for the CA certificate is: <B") == 1]
    assert len(index) == len(thumb)
    return parts[index[-1]].strip("</B").strip() if index else None


def soup(page):
    """A Python script that lets a parser write all tags in small letters."""
    text = re.sub("</?[A-Za-z]+", lambda tag: tag[0].lower(),
                  page.decode("UTF-16"))
    found = re.findall("The enrollment challenge password is: <b> [A-Z0-9]+ ",
                       text)
    return found[0].split("<b>")[1].strip() if found else None


def impacket(page):
    try:
        text = page.decode("utf-16")
    except UnicodeDecodeError:
        text = page[:-1].decode("utf-16")
    assert "Network Device Enrollment Service" in text
    if ("You do not have sufficient permission" in text
            or "The password cache is full" in text):
        return None
    start, end = "password is: <B> ", " </B>"
    if start not in text:
        return None
    before, after = "will expire within ", " minutes"
    assert text[text.find(before) + len(before):text.rfind(after)].isdigit()
    return text[text.find(start) + len(start):text.rfind(end)]


def manage_engine(page):
    """Takes the first of its encodings that shows the label."""
    for charset in ("utf-16-be", "utf-8", "ascii", "utf-16-le", "latin-1"):
        text = page.decode(charset, "replace")
        if LABEL in text:
            start = text.index(LABEL + ": <B> ") + len(LABEL + ": <B> ")
            return text[start:text.index(
                " </B> <P> This password can be used only once")]
    return None


UTF_8 = {parser.__name__: parser for parser in (
    fleet, raw_octets, scepwright, manage_engine)}
UTF_16LE = {parser.__name__: parser for parser in (
    fleet, split_by_tags, soup, impacket, manage_engine)}
