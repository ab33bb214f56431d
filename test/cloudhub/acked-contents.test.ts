import { describe, expect, it } from "vitest";
import { AckedContents } from "../../cloudhub/acked-contents.ts";
import type { NodeId } from "../../protocol/index.ts";

const node = (name: string): NodeId => name as NodeId;
const content = (text: string, length = 1_000): Buffer => Buffer.from(text.padEnd(length, "."));

describe("contents that nodes have acked", () => {
  it("are there by node and resource, in their newest version", () => {
    const contents = new AckedContents(1e6);
    contents.of(node("a")).put("default/configmap/c", "1", content("one"));
    contents.of(node("a")).put("default/configmap/c", "2", content("two"));
    expect(contents.of(node("a")).get("default/configmap/c")).toMatchObject({
      version: "2",
      content: content("two"),
    });
    expect(contents.of(node("b")).get("default/configmap/c")).toBeUndefined();
    expect(contents.of(node("a")).get("default/configmap/d")).toBeUndefined();
    contents.of(node("a")).forget("default/configmap/c");
    expect(contents.of(node("a")).get("default/configmap/c")).toBeUndefined();
    expect(contents.bytes).toBe(0);
  });

  it("do not change with the bytes they were made of", () => {
    const contents = new AckedContents(1e6);
    const bytes = content("one");
    contents.of(node("a")).put("r", "1", bytes);
    bytes.fill(0);
    expect(contents.of(node("a")).get("r")?.content).toEqual(content("one"));
  });

  it("take their bytes once for all nodes that hold the same", () => {
    const contents = new AckedContents(1e6);
    for (let i = 0; i < 100; i++) contents.of(node(`n${i}`)).put("r", "1", content("one", 4_000));
    expect(contents.bytes).toBeLessThan(4_000 + 102 * 250);
    for (let i = 0; i < 100; i++) contents.of(node(`n${i}`)).forget("r");
    expect(contents.bytes).toBe(0);
  });

  it("are kept apart where nodes hold other bytes under one version", () => {
    const contents = new AckedContents(1e6);
    contents.of(node("a")).put("r", "1", content("one"));
    contents.of(node("b")).put("r", "1", content("another"));
    expect(contents.of(node("a")).get("r")?.content).toEqual(content("one"));
    expect(contents.of(node("b")).get("r")?.content).toEqual(content("another"));
    contents.of(node("a")).forget("r");
    contents.of(node("c")).put("r", "1", content("another"));
    contents.of(node("b")).forget("r");
    expect(contents.of(node("c")).get("r")?.content).toEqual(content("another"));
    contents.of(node("c")).forget("r");
    expect(contents.bytes).toBe(0);
  });

  it("stay within their bound; what was used least recently goes", () => {
    const contents = new AckedContents(10_000);
    const held = contents.of(node("a"));
    for (let i = 0; i < 6; i++) held.put(`r${i}`, "1", content(`${i}`));
    held.get("r0");
    for (let i = 6; i < 10; i++) held.put(`r${i}`, "1", content(`${i}`));
    expect(contents.bytes).toBeLessThanOrEqual(10_000);
    expect(held.get("r0")).toBeDefined();
    expect(held.get("r1")).toBeUndefined();
    held.put("large", "1", content("x", 9_600));
    expect(held.get("large")).toBeUndefined();
    expect(held.get("r9")).toBeDefined();
  });

  it("are not kept at all without room for any", () => {
    const contents = new AckedContents(0);
    contents.of(node("a")).put("r", "1", content(""));
    expect(contents.of(node("a")).get("r")).toBeUndefined();
    expect(contents.bytes).toBe(0);
  });
});
