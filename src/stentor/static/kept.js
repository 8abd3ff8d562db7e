/** What this browser keeps for the studio and the recording, also where it keeps nothing. */

/** A Storage that never throws: with site data blocked it remembers until the page is left. */
class Kept {
  #memory = new Map();
  #open;

  constructor(/** @type {() => Storage} */ open) { this.#open = open; }

  /** @param {string} key @returns {string} "" when there is nothing */
  get(key) {
    return this.#memory.get(key) ?? this.#ask((storage) => storage.getItem(key)) ?? "";
  }

  set(/** @type {string} */ key, /** @type {string} */ value) {
    this.#memory.set(key, value);
    this.#ask((storage) => storage.setItem(key, value));
  }

  remove(/** @type {string} */ key) {
    this.#memory.delete(key);
    this.#ask((storage) => storage.removeItem(key));
  }

  #ask(question) {
    try {
      return question(this.#open());
    } catch {
      return null; // blocked, or full: memory has it
    }
  }
}

/** For this tab, until it is closed. */
export const forTab = new Kept(() => sessionStorage);
/** For this browser, until the person clears it. */
export const forBrowser = new Kept(() => localStorage);
