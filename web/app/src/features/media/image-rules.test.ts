import { describe, expect, test } from "vitest";
import { type Kind, kindOf } from "./file-kind";
import { planFor, sizeWithin, UnsupportedImage } from "./image-rules";

const bytes = (text: string) => Uint8Array.from(text, (char) => char.charCodeAt(0));
const box = (...brands: string[]) =>
  bytes(`\0\0\0${String.fromCharCode(8 + 4 * (brands.length + 1))}ftyp${brands[0]}\0\0\0\0${brands.slice(1).join("")}`);

describe("the kind of a file", () => {
  test("is decided by its content, not by its name", () => {
    expect(kindOf(bytes("\xff\xd8\xff\xe0"), "image/heic")).toBe("image/jpeg");
    expect(kindOf(bytes("\x89PNG\r\n\x1a\n"), "")).toBe("image/png");
    expect(kindOf(bytes("GIF89a"), "")).toBe("image/gif");
    expect(kindOf(bytes("RIFF\0\0\0\0WEBPVP8 "), "")).toBe("image/webp");
  });

  test("photos and videos of phones share a container", () => {
    expect(kindOf(box("heic", "mif1", "heic"), "")).toBe("image/heic");
    expect(kindOf(box("mif1", "mif1", "avif"), "")).toBe("image/avif");
    expect(kindOf(box("isom", "iso2", "mp41"), "")).toBe("video");
    expect(kindOf(box("qt  ", "qt  "), "image/jpeg")).toBe("video");
    expect(kindOf(bytes("\x1a\x45\xdf\xa3"), "")).toBe("video");
    expect(kindOf(bytes("RIFF\0\0\0\0AVI LIST"), "")).toBe("video");
  });

  test("what it does not know, the browser may", () => {
    expect(kindOf(bytes("BM...."), "image/bmp")).toBe("image/bmp");
    expect(kindOf(bytes("?"), "video/x-unknown")).toBe("video");
    expect(kindOf(bytes("%PDF-1.7"), "application/pdf")).toBe("other");
    expect(kindOf(bytes("<svg"), "image/svg+xml")).toBe("other");
    expect(kindOf(new Uint8Array(), "")).toBe("other");
  });
});

describe("what is sent", () => {
  const limits = { media_types: ["image/jpeg", "image/png"], media_max_bytes: 1000 };
  const reason = (kind: Kind, size = 10) => {
    try {
      return planFor(kind, size, limits);
    } catch (error) {
      return (error as UnsupportedImage).reason;
    }
  };

  test("an accepted type as it is, others and large ones encoded again", () => {
    expect(reason("image/jpeg")).toBe("send");
    expect(reason("image/heic")).toBe("encode");
    expect(reason("image/avif")).toBe("encode");
    expect(reason("image/png", 1000)).toBe("send");
    expect(reason("image/png", 1001)).toBe("encode");
  });

  test("no videos, documents and empty files", () => {
    expect(reason("video")).toBe("video");
    expect(reason("other")).toBe("other");
    expect(reason("image/jpeg", 0)).toBe("empty");
    expect(new UnsupportedImage("video")).toBeInstanceOf(Error);
  });

  test("an encoded image is within the limits and has its ratio", () => {
    expect(sizeWithin({ width: 800, height: 600 }, 40e6)).toEqual({ width: 800, height: 600 });
    expect(sizeWithin({ width: 8192, height: 2048 }, 40e6)).toEqual({ width: 4096, height: 1024 });
    const { width, height } = sizeWithin({ width: 3000, height: 3000 }, 1e6);
    expect(width * height).toBeLessThanOrEqual(1e6);
    expect(sizeWithin({ width: 100_000, height: 1 }, 40e6)).toEqual({ width: 4096, height: 1 });
  });
});
