import { describe, expect, it } from "vitest";
import { formatJoinToken, parseJoinToken } from "../../protocol/join-token.ts";

const caHash = "0123456789abcdef".repeat(4);
const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2ln-_natur";

describe("a join token", () => {
  it("is a CA hash and a JWT", () => {
    expect(parseJoinToken(`${caHash}.${jwt}`)).toEqual({ caHash, jwt });
    expect(formatJoinToken({ caHash, jwt })).toBe(`${caHash}.${jwt}`);
  });

  it("may have white space around it: it often comes from a file", () => {
    expect(parseJoinToken(` ${caHash}.${jwt}\r\n`)).toEqual({ caHash, jwt });
  });

  it.each([
    ["nothing", ""],
    ["a JWT alone", jwt],
    ["a hash alone", caHash],
    ["a hash that is too short", `${caHash.slice(1)}.${jwt}`],
    ["a hash that is too long", `0${caHash}.${jwt}`],
    ["a hash in capitals", `${caHash.toUpperCase()}.${jwt}`],
    ["a hash that is not hex", `${caHash.slice(1)}g.${jwt}`],
    ["a part too few", `${caHash}.${jwt.slice(0, jwt.lastIndexOf("."))}`],
    ["a part too many", `${caHash}.${jwt}.x`],
    ["an empty part", `${caHash}..claims.signature`],
    ["white space inside", `${caHash}. ${jwt}`],
    ["two lines", `${caHash}.${jwt}\n${caHash}.${jwt}`],
    ["standard base64", `${caHash}.a+b.c/d.e=`],
  ])("is not %s", (_, text) => {
    expect(() => parseJoinToken(text)).toThrow(expect.objectContaining({ code: "E_BAD_TOKEN" }));
  });

  it("is not shown in an error", () => {
    const secret = `${caHash}.secret-header.secret-claims`;
    let text = "";
    try {
      parseJoinToken(secret);
    } catch (error) {
      text = `${error} ${JSON.stringify(error)} ${(error as Error).stack}`;
    }
    expect(text).toContain("E_BAD_TOKEN");
    expect(text).not.toContain("secret");
    expect(text).not.toContain(caHash);
  });
});
