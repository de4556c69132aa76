import type {
  CallDirection,
  DemoNumberKind,
  DeviceRole,
  DeviceTrouble,
  EndCause,
  ErrorCode,
  Language,
  NoticeCode,
  RegistrationFailureCode,
  Theme,
  Transport,
} from "../ipc/generated";

/** The agent's states as the panel names them (the workbench codes). */
export type AgentStateName =
  | "unregistered"
  | "registering"
  | "signed_out"
  | "signed_in"
  | "ready"
  | "break"
  | "after_call_work"
  | "ringing"
  | "dialing"
  | "talking_inbound"
  | "talking_outbound"
  | "talking_internal"
  | "held"
  | "reconnecting"
  | "unknown";

/** The state of a call as its card names it. */
export type CallStateName =
  | "ringing"
  | "dialing"
  | "alerting"
  | "answering"
  | "talking"
  | "held"
  | "held_by_peer"
  | "held_by_both"
  | "ended";

/** What happened, and what to do next. */
export type Advice = { title: string; hint: string };

/**
 * Every text of the program, in one language. Both languages are objects of this type: a text that is missing does not
 * compile, and neither does one for a code that the program gained.
 */
export interface Texts {
  /** The BCP 47 tag of the language. */
  tag: "zh-CN" | "en";
  productName: string;

  agentState: Record<AgentStateName, string>;
  callState: Record<CallStateName, string>;
  direction: Record<CallDirection, string>;
  endCause: Record<EndCause, Advice>;
  error: Record<ErrorCode, string>;
  registrationFailure: Record<RegistrationFailureCode, Advice>;
  notice: Record<NoticeCode, Advice>;
  deviceRole: Record<DeviceRole, string>;
  deviceTrouble: Record<DeviceTrouble, string>;
  demoNumber: Record<DemoNumberKind, string>;
  transport: Record<Transport, string>;
  language: Record<Language, string>;
  theme: Record<Theme, string>;
  /** Reasons 1..=5 of a break. */
  breakReason: readonly [string, string, string, string, string];
  sipStatus: (status: number) => string;

  panel: {
    label: string;
    close: string;
    dismiss: string;
    retry: string;
  };
  header: {
    breakMenu: string;
    breakTitle: string;
    endBreak: string;
    volume: string;
    signOut: string;
    cancelSignIn: string;
    /** For a screen reader: state, and since when. */
    stateSince: (state: string, timer: string) => string;
  };
  navigation: {
    label: string;
    incoming: string;
    outgoing: string;
    calls: string;
    devices: string;
    settings: string;
    help: string;
  };
  signIn: {
    title: string;
    demoTitle: string;
    demoHint: string;
    server: string;
    serverHint: string;
    user: string;
    password: string;
    passwordKnown: string;
    showPassword: string;
    hidePassword: string;
    displayName: string;
    displayNameHint: string;
    transport: string;
    domain: string;
    domainHint: string;
    authUser: string;
    authUserHint: string;
    more: string;
    submit: string;
    progress: string;
    signingOut: string;
    required: string;
  };
  ready: {
    waiting: string;
    waitingHint: string;
    onBreak: string;
    onBreakHint: string;
    backToReady: string;
    becomeReady: string;
    demoTitle: string;
    demoCall: string;
    demoHint: string;
    demoBreakHint: string;
    today: string;
    todayCalls: string;
    todayMissed: string;
    todayTalk: string;
  };
  acw: {
    title: string;
    remaining: string;
    secondsLeft: (seconds: number) => string;
    extend: string;
    readyNow: string;
    ends: string;
  };
  dial: {
    title: string;
    input: string;
    placeholder: string;
    erase: string;
    call: string;
    redial: (number: string) => string;
    noRedial: string;
    demoNumbers: string;
    demoDial: (kind: string, number: string) => string;
    notAllowed: string;
  };
  call: {
    card: string;
    incoming: string;
    outgoing: string;
    internal: string;
    answer: string;
    decline: string;
    cancel: string;
    hangup: string;
    mute: string;
    unmute: string;
    muted: string;
    hold: string;
    retrieve: string;
    keypad: string;
    volume: string;
    sent: string;
    anonymous: string;
    codec: string;
    microphoneLevel: string;
    speakerLevel: string;
    bar: string;
    show: string;
    heldHint: string;
    heldByPeerHint: string;
    mutedHint: string;
  };
  ended: {
    title: string;
    callBack: string;
    dismiss: string;
    talked: (duration: string) => string;
    noTalk: string;
  };
  calls: {
    title: string;
    search: string;
    empty: string;
    emptyHint: string;
    nothingFound: (search: string) => string;
    clearSearch: string;
    loading: string;
    failed: string;
    more: string;
    count: (shown: number, total: number) => string;
    callBack: (who: string) => string;
    today: string;
    yesterday: string;
    started: string;
    waited: string;
    talked: string;
    result: string;
    number: string;
    choose: string;
    chooseHint: string;
    details: string;
  };
  devices: {
    title: string;
    systemDefault: string;
    gone: string;
    device: string;
    volume: string;
    test: string;
    testHint: string;
    microphoneHint: string;
  };
  settings: {
    title: string;
    language: string;
    theme: string;
    afterCallWork: string;
    afterCallWorkHint: string;
    seconds: string;
    keyboard: string;
    version: string;
  };
  help: {
    title: string;
    answer: string;
    hangup: string;
    mute: string;
    hold: string;
    keypad: string;
    ready: string;
    views: string;
    digits: string;
    help: string;
    close: string;
  };
  banner: {
    reconnecting: string;
    reconnectingCall: string;
    retryIn: (seconds: number) => string;
    retrying: string;
    more: (count: number) => string;
    fewer: string;
  };
  workspace: {
    label: string;
    noCall: string;
    noCallHint: string;
    signedOutTitle: string;
    signedOutHint: string;
    todayCalls: string;
    all: string;
    firstContact: string;
    contactsBefore: (count: number, last: string) => string;
  };
  window: {
    failed: string;
    failedHint: string;
    reload: string;
  };
}
