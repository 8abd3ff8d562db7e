/** What happens, and when: listening to events, telling of them, and the clock for both. */

/** Seconds on a clock that nobody sets. */
export const nowS = () => performance.now() / 1_000;

/**
 * Listens on the way down, so that nothing within the target is missed.
 * @param {EventTarget | undefined} target @param {string} types with spaces between them
 * @param {(event: any) => void} act
 */
export function on(target, types, act) {
  for (const type of types.split(" ")) target?.addEventListener(type, act, true);
}

/** Something others listen to. */
export class Teller extends EventTarget {
  tell(/** @type {string} */ type, /** @type {any} */ detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
