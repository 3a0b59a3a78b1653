/** Equal for times of the same day. */
export function dayOf(at: string | number): number {
  const time = new Date(at);
  // Days have 23 to 25 hours where clocks are changed, so they are counted by their date.
  return Date.UTC(time.getFullYear(), time.getMonth(), time.getDate()) / 86_400_000;
}
