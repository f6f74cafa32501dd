//===- link.h - Run one link to its end -------------------------*- C++ -*-===//

#ifndef FROMSOURCE_LINK_H
#define FROMSOURCE_LINK_H

#include "link_job.h"
#include "session.h"

namespace fromsource {

/// Links a prepared graph into the dylib, all of it, on the calling thread.
/// On failure nothing of it stays.
llvm::Error link(fs_session &S, llvm::orc::JITDylib &JD,
                 std::unique_ptr<llvm::jitlink::LinkGraph> G, LinkJob &Job);

/// For the session: runs collectResult in each link.
std::shared_ptr<llvm::orc::LinkGraphLinkingLayer::Plugin> makeLinkPlugin();
/// ORC reports why a link failed to the session, not to who asked for it.
void reportToCurrentJob(llvm::Error Err);

} // namespace fromsource

#endif // FROMSOURCE_LINK_H
