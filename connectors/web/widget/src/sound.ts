// Two short tones, made here: no file is fetched. Off until the visitor switches it on.

export function beep(): void {
  try {
    const context = new AudioContext();
    for (const [at, pitch] of [
      [0, 660],
      [0.12, 880],
    ] as const) {
      const tone = context.createOscillator();
      const loudness = context.createGain();
      tone.frequency.value = pitch;
      loudness.gain.setValueAtTime(0.08, context.currentTime + at);
      loudness.gain.exponentialRampToValueAtTime(0.0001, context.currentTime + at + 0.18);
      tone.connect(loudness).connect(context.destination);
      tone.start(context.currentTime + at);
      tone.stop(context.currentTime + at + 0.2);
    }
    setTimeout(() => void context.close(), 600);
  } catch {
    // no sound on this device, or not before the visitor has touched the page
  }
}
