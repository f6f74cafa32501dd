//===- protocol.cpp - Frames and messages ---------------------------------===//

#include "protocol.h"
#include "llvm/Support/Endian.h"
#include "llvm/Support/JSON.h"

using namespace llvm;

namespace fromsource {

StringRef nameOf(OutputKind Kind) {
  switch (Kind) {
  case OutputKind::Object:
    return "object";
  case OutputKind::Bitcode:
    return "bitcode";
  case OutputKind::IR:
    return "ir";
  }
  return "";
}

/// LLVM's parser recurses; nothing of ours is nested deeper than this.
static bool isShallow(StringRef Json) {
  int Depth = 0;
  bool InString = false;
  for (size_t I = 0; I < Json.size(); ++I) {
    char C = Json[I];
    if (C == '"')
      InString = !InString;
    else if (InString)
      I += C == '\\';
    else if ((C == '[' || C == '{') && ++Depth > 8)
      return false;
    else if (C == ']' || C == '}')
      --Depth;
  }
  return true;
}

static Error malformed(const Twine &What) {
  return createStringError(inconvertibleErrorCode(), What);
}

namespace {
/// Reads the fields of a message; the first one that is wrong is kept.
class Fields {
public:
  Fields(const json::Object &Message, ArrayRef<StringRef> Attachments)
      : Message(Message), Attachments(Attachments) {}

  std::string wrong() const { return Wrong; }

  int64_t count(StringRef Name) {
    std::optional<int64_t> Value = Message.getInteger(Name);
    return Value && *Value >= 0 ? *Value : (fail(Name), 0);
  }
  std::optional<size_t> countOrNull(StringRef Name) {
    const json::Value *Value = Message.get(Name);
    if (Value && Value->getAsNull())
      return std::nullopt;
    return count(Name);
  }
  bool boolean(StringRef Name) {
    std::optional<bool> Value = Message.getBoolean(Name);
    return Value ? *Value : (fail(Name), false);
  }
  std::string text(StringRef Name) { return textOf(Name, Message.get(Name)); }
  std::optional<std::string> textOrNull(StringRef Name) {
    const json::Value *Value = Message.get(Name);
    if (Value && Value->getAsNull())
      return std::nullopt;
    return textOf(Name, Value);
  }
  std::optional<StringRef> attachmentOrNull(StringRef Name) {
    const json::Value *Value = Message.get(Name);
    if (Value && Value->getAsNull())
      return std::nullopt;
    return attachment(Name, Value);
  }
  template <typename Take> void each(StringRef Name, Take &&TakeOne) {
    const json::Array *Values = Message.getArray(Name);
    if (!Values)
      return fail(Name);
    for (const json::Value &Value : *Values)
      TakeOne(Value);
  }
  std::string textOf(StringRef Name, const json::Value *Value) {
    std::optional<StringRef> Text =
        Value ? Value->getAsString() : std::optional<StringRef>();
    // clang takes C strings: what follows a NUL would be lost silently.
    if (!Text || Text->contains('\0'))
      return fail(Name), "";
    return Text->str();
  }
  StringRef attachment(StringRef Name, const json::Value *Value) {
    std::optional<int64_t> Index =
        Value ? Value->getAsInteger() : std::optional<int64_t>();
    if (!Index || *Index < 0 || uint64_t(*Index) >= Attachments.size())
      return fail(Name), "";
    return Attachments[*Index];
  }
  void fail(StringRef Name) {
    if (Wrong.empty())
      Wrong = Name.str();
  }

private:
  const json::Object &Message;
  ArrayRef<StringRef> Attachments;
  std::string Wrong;
};
} // namespace

static void readCompile(Fields &From, CompileMessage &To) {
  To.Id = From.count("id");
  From.each("command", [&](const json::Value &Word) {
    To.Command.push_back(From.textOf("command", &Word));
  });
  To.Folder = From.text("folder");
  if (To.Command.empty() || StringRef(To.Folder).take_front() != "/")
    From.fail(To.Command.empty() ? "command" : "folder");
  To.Stdin = From.attachmentOrNull("stdin");
  From.each("files", [&](const json::Value &Value) {
    const json::Object *File = Value.getAsObject();
    if (!File)
      return From.fail("files");
    To.Files.emplace_back(From.textOf("files", File->get("path")),
                          From.attachment("files", File->get("attachment")));
    if (StringRef(To.Files.back().first).take_front() != "/")
      From.fail("files");
  });
  From.each("outputs", [&](const json::Value &Value) {
    std::string Name = From.textOf("outputs", &Value);
    for (OutputKind Kind :
         {OutputKind::Object, OutputKind::Bitcode, OutputKind::IR})
      if (Name == nameOf(Kind))
        return To.Outputs.push_back(Kind);
    From.fail("outputs");
  });
  To.Passes = From.textOrNull("passes");
  To.Preamble = From.boolean("preamble");
  To.DeclaredBefore = From.countOrNull("declaredBefore");
  To.MaxMemoryBytes = From.count("maxMemoryBytes");
}

/// Cuts the bytes behind the message into its attachments.
static Expected<std::vector<StringRef>> cut(const json::Object &Message,
                                            StringRef Rest) {
  std::vector<StringRef> Attachments;
  const json::Array *Lengths = Message.getArray("attachments");
  if (!Lengths)
    return malformed("a message does not say how long its attachments are");
  for (const json::Value &Value : *Lengths) {
    std::optional<int64_t> Length = Value.getAsInteger();
    if (!Length || *Length < 0 || uint64_t(*Length) > Rest.size())
      return malformed("an attachment is longer than its frame");
    Attachments.push_back(Rest.take_front(*Length));
    Rest = Rest.drop_front(*Length);
  }
  if (!Rest.empty())
    return malformed(Twine(Rest.size()) + " bytes follow the last attachment");
  return Attachments;
}

Expected<Request> parseRequest(std::unique_ptr<char[]> Body, uint32_t Length) {
  StringRef Bytes(Body.get(), Length);
  uint32_t JsonLength =
      Length < 4 ? 0 : support::endian::read32le(Bytes.data());
  if (Length < 4 || JsonLength > Length - 4)
    return malformed("a message claims more bytes than its frame has");
  if (!isShallow(Bytes.substr(4, JsonLength)))
    return malformed("a message is nested too deeply");
  Expected<json::Value> Json = json::parse(Bytes.substr(4, JsonLength));
  if (!Json) {
    consumeError(Json.takeError());
    return malformed("a message is not JSON");
  }
  const json::Object *Message = Json->getAsObject();
  if (!Message)
    return malformed("a message is not an object");
  Expected<std::vector<StringRef>> Attachments =
      cut(*Message, Bytes.drop_front(4 + JsonLength));
  if (!Attachments)
    return Attachments.takeError();

  Request Result;
  Fields From(*Message, *Attachments);
  std::string Type = From.text("type");
  if (Type == "hello")
    Result.Hello = From.count("protocol");
  else if (Type == "compile")
    readCompile(From, Result.Compile);
  else
    From.fail("type");
  if (!From.wrong().empty())
    return malformed("a message's `" + From.wrong() + "` is missing or wrong");
  Result.Compile.Body = std::move(Body);
  return Result;
}

static std::string headOf(json::Object Message, ArrayRef<StringRef> Parts) {
  json::Array Lengths;
  uint64_t Total = 4;
  for (StringRef Part : Parts) {
    Lengths.push_back(int64_t(Part.size()));
    Total += Part.size();
  }
  Message["attachments"] = std::move(Lengths);
  std::string Head(8, '\0');
  raw_string_ostream(Head) << json::Value(std::move(Message));
  uint32_t JsonLength = Head.size() - 8;
  Total += JsonLength;
  support::endian::write32le(Head.data(), uint32_t(Total));
  support::endian::write32le(Head.data() + 4, JsonLength);
  return Head;
}

/// A path is any bytes, JSON is Unicode.
static std::string unicode(const std::string &Path) {
  return json::isUTF8(Path) ? Path : json::fixUTF8(Path);
}

static StringRef nameOf(Status S) {
  switch (S) {
  case Status::Ok:
    return "ok";
  case Status::Failed:
    return "failed";
  case Status::Unsupported:
    return "unsupported";
  case Status::Memory:
    return "memory";
  }
  return "";
}

EncodedFrame encodeAnswer(int64_t Id, const Answer &A) {
  EncodedFrame Frame;
  Frame.Parts.push_back(A.Stderr);
  json::Object Outputs;
  for (const auto &[Kind, Bytes] : A.Outputs) {
    Outputs[nameOf(Kind)] = int64_t(Frame.Parts.size());
    Frame.Parts.push_back(StringRef(Bytes.data(), Bytes.size()));
  }
  uint64_t Total = 0;
  for (StringRef Part : Frame.Parts)
    Total += Part.size();
  // The message itself has room in the rest.
  if (Total > MaxFrameBytes - (64 << 20)) {
    Answer TooLong;
    TooLong.Reason = "what it made is larger than a frame may be";
    return encodeAnswer(Id, TooLong);
  }
  json::Array Read, Absent, Listed, Volatile;
  for (const FileRead &File : A.Read)
    Read.push_back(json::Object{{"path", unicode(File.Path)},
                                {"size", int64_t(File.Size)},
                                {"digest", File.Digest}});
  for (const std::string &Path : A.Absent)
    Absent.push_back(unicode(Path));
  for (const FolderListed &Folder : A.Listed)
    Listed.push_back(json::Object{{"path", unicode(Folder.Path)},
                                  {"digest", Folder.Digest}});
  for (const std::string &Reason : A.Volatile)
    Volatile.push_back(unicode(Reason));
  Frame.Head = headOf(
      json::Object{{"type", "result"},
                   {"id", Id},
                   {"status", nameOf(A.Status)},
                   {"reason", unicode(A.Reason)},
                   {"stderr", 0},
                   {"outputs", std::move(Outputs)},
                   {"declarations", nullptr},
                   {"read", std::move(Read)},
                   {"absent", std::move(Absent)},
                   {"listed", std::move(Listed)},
                   {"volatile", std::move(Volatile)},
                   {"preamble", A.Preamble == PreambleUse::None    ? "none"
                                : A.Preamble == PreambleUse::Built ? "built"
                                                                   : "reused"},
                   {"times", json::Object{{"frontend", A.Times.Frontend},
                                          {"optimise", A.Times.Optimise},
                                          {"codegen", A.Times.Codegen},
                                          {"total", A.Times.Total}}},
                   {"memory",
                    json::Object{
                        {"resident", int64_t(A.Resident)},
                        {"peak", int64_t(A.Peak)},
                    }}},
      Frame.Parts);
  return Frame;
}

std::string encodeHello(StringRef LLVMVersion) {
  return headOf(json::Object{{"type", "hello"},
                             {"protocol", ProtocolVersion},
                             {"llvm", LLVMVersion}},
                {});
}

size_t encodeCrash(int64_t Id, const char *Signal, char (&To)[256]) {
  char *At = To + 8;
  auto Append = [&](const char *Text) {
    while (*Text)
      *At++ = *Text++;
  };
  char Digits[24];
  char *First = Digits + sizeof(Digits) - 1;
  *First = '\0';
  do
    *--First = char('0' + Id % 10);
  while ((Id /= 10) > 0);
  Append("{\"type\":\"crash\",\"id\":");
  Append(First);
  Append(",\"signal\":\"");
  Append(Signal);
  Append("\",\"attachments\":[]}");
  size_t Size = At - To;
  support::endian::write32le(To, uint32_t(Size - 4));
  support::endian::write32le(To + 4, uint32_t(Size - 8));
  return Size;
}

} // namespace fromsource
