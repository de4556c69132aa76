import type {
  CallDirection,
  CertificateFault,
  DemoNumberKind,
  DeviceRole,
  DeviceTrouble,
  DtmfMode,
  EndCause,
  ErrorCode,
  KeepAlive,
  Language,
  NoticeCode,
  RegistrationFailureCode,
  Theme,
  TransferState,
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
  | "consult_dialing"
  | "consulting"
  | "consult_switched"
  | "conference"
  | "helped"
  | "monitoring"
  | "reconnecting"
  | "unknown";

/** The state of a call as its card names it. */
export type CallStateName =
  | "ringing"
  | "waiting"
  | "dialing"
  | "alerting"
  | "answering"
  | "talking"
  | "held"
  | "held_by_peer"
  | "held_by_both"
  | "reconnecting"
  | "ended";

/** Why a call was sent on to here from where it went first. */
export type DiversionReason = "busy" | "no_answer" | "unconditional" | "unavailable" | "deflected" | "other";

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
  certificateFault: Record<CertificateFault, string>;
  transferState: Record<TransferState, string>;
  diversionReason: Record<DiversionReason, string>;
  dtmfMode: Record<DtmfMode, string>;
  keepAlive: Record<KeepAlive, string>;
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
  /** The options of an account, of the one that signs in and of further lines. */
  account: {
    identity: string;
    network: string;
    security: string;
    calls: string;
    proxy: string;
    proxyHint: string;
    keepAlive: string;
    trustFile: string;
    clientCertificate: string;
    clientKey: string;
    pemHint: string;
    pinned: string;
    pinnedHint: string;
    pinnedWrong: string;
    dtmf: string;
    autoAnswer: string;
    autoAnswerHint: string;
    transferAccept: string;
    transferAcceptHint: string;
    callLimit: string;
    callLimitWrong: string;
    sessionTimer: string;
    sessionTimerHint: string;
    sessionTimerWrong: string;
    strangers: string;
    strangersHint: string;
    gruu: string;
    gruuHint: string;
    certificateAndKey: string;
  };
  trust: {
    ask: string;
    title: string;
    server: string;
    fingerprint: string;
    trouble: string;
    warning: string;
    confirm: string;
    cancel: string;
  };
  lines: {
    title: string;
    hint: string;
    own: string;
    add: string;
    remove: (line: string) => string;
    removeAsk: string;
    removeConfirm: string;
    keep: string;
    addTitle: string;
    signInFirst: string;
    /** Which of several lines a call came by or goes by. */
    by: (line: string) => string;
    choose: string;
    state: { offline: string; registering: string; registered: string; reconnecting: string; unregistering: string };
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
    reconnectingHint: string;
    recoveredHint: string;
    transfer: string;
    swap: string;
    swapTo: (who: string) => string;
    retrieveCall: (who: string) => string;
    answerAndHold: (who: string) => string;
    declineCall: (who: string) => string;
    hangupCall: (who: string) => string;
    showCall: (who: string) => string;
    others: string;
  };
  caller: {
    /** Whom the call was meant for before it came here. */
    diverted: (from: string) => string;
    divertedWhy: (from: string, why: string) => string;
    asserted: (number: string) => string;
    remoteParty: (number: string) => string;
    anonymous: string;
    referredBy: (who: string) => string;
    details: string;
    history: string;
    callInfo: string;
    alertInfo: string;
  };
  transfer: {
    title: string;
    of: (who: string) => string;
    input: string;
    back: string;
    blind: string;
    consult: string;
    hint: string;
    to: (who: string) => string;
    failed: (who: string) => string;
    failedStill: string;
    again: string;
    suggestions: string;
  };
  consult: {
    about: (who: string) => string;
    asked: (who: string) => string;
    complete: string;
    completeHint: string;
    cancel: string;
  };
  message: {
    title: string;
    from: (who: string) => string;
    reply: string;
    replyTo: (who: string) => string;
    send: string;
    sending: string;
    delivered: string;
    failed: string;
    notText: (contentType: string) => string;
    more: (count: number) => string;
    fewer: string;
    dismiss: string;
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
    transfer: string;
    swap: string;
    ready: string;
    views: string;
    digits: string;
    help: string;
    close: string;
  };
  banner: {
    reconnecting: string;
    reconnectingCall: string;
    reconnectingLine: (line: string) => string;
    lineOffline: (line: string) => string;
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
