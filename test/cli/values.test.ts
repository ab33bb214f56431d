import { describe, expect, it, test } from "vitest";
import { exitCodeOf, failureLines } from "../../cli/failures.ts";
import { list, nodePrefix, oneOf, pair, selector, url, whole } from "../../cli/values.ts";
import { type ErrorCode, errorTable, HubError } from "../../sdk/index.ts";

describe("values of options", () => {
  it("are read", () => {
    expect(list("a, b")).toEqual(["a", "b"]);
    expect(whole(1, 10)("7")).toBe(7);
    expect(oneOf(["x", "y"])("y")).toBe("y");
    expect(url("wss:")("wss://[::1]:10000")).toBe("wss://[::1]:10000");
    expect(nodePrefix("line-2.bench-")).toBe("line-2.bench-");
    expect(pair("a=b=c")).toEqual(["a", "b=c"]);
    expect(selector("a=b,c=")).toEqual({ a: "b", c: "" });
  });

  test.each([
    [() => list("a,,b"), /texts between commas/],
    [() => whole(1, 10)("11"), /must be a whole number 1\.\.10; got "11"/],
    [() => whole(1, 10)("1e1"), /whole number/],
    [() => oneOf(["x", "y"])("z"), /must be x, y; got "z"/],
    [() => url("wss:")("http://hub"), /must be wss:\/\/host:port; got "http:\/\/hub"/],
    [() => url("https:")("hub:10002"), /must be https:\/\/host:port/],
    [() => nodePrefix("A_b"), /must be the beginning of a DNS name .*; got "A_b"/],
    [() => nodePrefix("a-.b"), /must be the beginning of a DNS name/],
    [() => pair("=b"), /must be name=value/],
    [() => selector("a"), /must be name=value/],
  ])("are refused with what is allowed", (read, problem) => {
    expect(read).toThrow(problem);
  });
});

describe("failures", () => {
  it("have an exit code for every error there is", () => {
    for (const code of Object.keys(errorTable) as ErrorCode[])
      expect([1, 2, 3, 4, 5, 130]).toContain(exitCodeOf(code));
    expect(
      ["E_BAD_OPTION", "E_UNKNOWN_NODE", "E_TIMEOUT", "E_FORBIDDEN", "E_STORAGE"].map((code) =>
        exitCodeOf(code as ErrorCode),
      ),
    ).toEqual([2, 3, 4, 5, 1]);
  });

  it("say what to do, unless their text does", () => {
    expect(failureLines(new HubError("E_BACKLOG_FULL", "full"))[1]).toMatch(/hubctl queue list/);
    expect(failureLines(new HubError("E_NOT_FOUND", "gone; see: hubctl nodes list"))).toHaveLength(1);
  });
});
