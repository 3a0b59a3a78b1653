// What the scenarios share: the texts that `xtask/src/clients/stored.rs` expects in the end, and assertions.
import { deepStrictEqual } from 'node:assert';
import { readFile } from 'node:fs/promises';
import { setTimeout } from 'node:timers/promises';

export const PASSWORD = 'plum tractor 92 sings';
export const ALTS = ['해 질 녘의 바다', '눈 덮인 산'];
export const TEXTS = { post: '바다와 산 #노을', comment: '사진이 멋져요!', message: '주말에 산에 갈까요?' };

export function env(name: string): string {
  const value = process.env[name];
  assert(value, `${name} is not set`);
  return value;
}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(message);
}

export function equal<T>(actual: T, expected: T): void {
  deepStrictEqual(actual, expected);
}

/** A UUID of version 7, which begins with the time. */
export function uuid7(): string {
  const time = Date.now().toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${crypto.randomUUID().slice(15)}`;
}

export async function photos(): Promise<File[]> {
  const names = ['sea.png', 'mountain.png'];
  return Promise.all(names.map(async (name) => new File([await readFile(`${env('PHOTOS')}/${name}`)], name)));
}

export async function wait(seconds: number): Promise<void> {
  assert(seconds > 0, 'Retry-After is a positive number of seconds');
  await setTimeout(seconds * 1000);
}
