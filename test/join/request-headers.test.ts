import { describe, expect, it, test } from "vitest";
import { bearerToken, requestedUsages } from "../../cloudhub/join/request-headers.ts";
import { vectors } from "./vectors.ts";

describe("the header Authorization", () => {
  test.each(vectors.tokens)("holds the token $name without its hash", ({ authorizationHeader, jwt }) => {
    expect(bearerToken(authorizationHeader)).toBe(jwt);
  });

  it("may begin with any word", () => {
    expect(bearerToken("whatever a.b.c")).toBe("a.b.c");
  });

  test.each([undefined, "", "a.b.c", "Bearer ", "Bearer  a.b.c", "Bearer a.b.c d"])(
    "is refused as %j",
    (header) => {
      expect(() => bearerToken(header)).toThrow(/must read 'Bearer <token>'/);
    },
  );
});

describe("the header ExtKeyUsages", () => {
  test.each([
    [undefined, ["clientAuth"]],
    ["", ["clientAuth"]],
    ["[2]", ["clientAuth"]],
    ["[1]", ["serverAuth"]],
    ["[1,2]", ["serverAuth", "clientAuth"]],
    [" [ 2, 1, 2 ] ", ["clientAuth", "serverAuth"]],
  ])("asks with %j for %j", (header, usages) => {
    expect(requestedUsages(header)).toEqual(usages);
  });

  test.each(Object.entries(vectors.extKeyUsageNumbers))(
    "allows of Go's %s, %s, only 1 and 2",
    (number, name) => {
      if (number === "1" || number === "2") expect(requestedUsages(`[${number}]`)).toEqual([name]);
      else expect(() => requestedUsages(`[${number}]`)).toThrow(/list of 1 \(server\) and 2 \(client\)/);
    },
  );

  test.each([
    "[]",
    "2",
    "{}",
    "null",
    '["2"]',
    '["constructor"]',
    "[2,3]",
    "[2.5]",
    "[[2]]",
    "[2",
    "clientAuth",
  ])("is refused as %s", (header) => {
    expect(() => requestedUsages(header)).toThrow(/ExtKeyUsages/);
  });
});
