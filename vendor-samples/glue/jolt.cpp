// Spheres that fall on a floor, by Jolt Physics. Its API is C++; this has what
// can be called from JavaScript.

#include <Jolt/Jolt.h>
// First.
#include <Jolt/Core/Factory.h>
#include <Jolt/Core/JobSystemThreadPool.h>
#include <Jolt/Core/TempAllocator.h>
#include <Jolt/Physics/Body/BodyCreationSettings.h>
#include <Jolt/Physics/Collision/BroadPhase/BroadPhaseLayerInterfaceTable.h>
#include <Jolt/Physics/Collision/BroadPhase/ObjectVsBroadPhaseLayerFilterTable.h>
#include <Jolt/Physics/Collision/ObjectLayerPairFilterTable.h>
#include <Jolt/Physics/Collision/Shape/BoxShape.h>
#include <Jolt/Physics/Collision/Shape/SphereShape.h>
#include <Jolt/Physics/PhysicsSystem.h>
#include <Jolt/RegisterTypes.h>
#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <set>
#include <thread>

using namespace JPH;

namespace {

constexpr ObjectLayer STILL = 0, MOVING = 1;
constexpr uint LAYERS = 2;

// Where the library writes that its `atexit` handler has run; null if nobody
// wants to know.
int *ended = nullptr;

class Contacts : public ContactListener {
public:
  void OnContactAdded(const Body &, const Body &, const ContactManifold &,
                      ContactSettings &) override {
    ++count;
  }
  std::atomic<int> count = 0;
};

// Each thread has its own, with a constructor and a destructor.
std::atomic<int> threads_seen = 0, threads_gone = 0;
struct PerThread {
  PerThread() { ++threads_seen; }
  ~PerThread() { ++threads_gone; }
  int jobs = 0;
};
thread_local PerThread per_thread;

struct World {
  explicit World(int threads)
      : jobs(cMaxPhysicsJobs, cMaxPhysicsBarriers, threads) {
    layers.MapObjectToBroadPhaseLayer(STILL, BroadPhaseLayer(0));
    layers.MapObjectToBroadPhaseLayer(MOVING, BroadPhaseLayer(1));
    pairs.EnableCollision(STILL, MOVING);
    pairs.EnableCollision(MOVING, MOVING);
    filter = std::make_unique<ObjectVsBroadPhaseLayerFilterTable>(
        layers, LAYERS, pairs, LAYERS);
    physics.Init(4096, 0, 4096, 4096, layers, *filter, pairs);
    physics.SetContactListener(&contacts);
    Ref<BoxShape> floor = new BoxShape(Vec3(100, 1, 100));
    physics.GetBodyInterface().CreateAndAddBody(
        BodyCreationSettings(floor, RVec3(0, -1, 0), Quat::sIdentity(),
                             EMotionType::Static, STILL),
        EActivation::DontActivate);
  }

  BroadPhaseLayerInterfaceTable layers{LAYERS, LAYERS};
  ObjectLayerPairFilterTable pairs{LAYERS};
  std::unique_ptr<ObjectVsBroadPhaseLayerFilterTable> filter;
  TempAllocatorImpl memory{16 * 1024 * 1024};
  JobSystemThreadPool jobs;
  Contacts contacts;
  PhysicsSystem physics;
};

} // namespace

extern "C" {

// Once for the library, before all else.
void jolt_start(int *wants_end) {
  ended = wants_end;
  RegisterDefaultAllocator();
  Factory::sInstance = new Factory();
  RegisterTypes();
  std::atexit([] {
    if (ended != nullptr)
      *ended = 1;
  });
}

void jolt_stop(void) {
  UnregisterTypes();
  delete Factory::sInstance;
  Factory::sInstance = nullptr;
}

// A floor at height 0, and a pool of so many threads beside the one that calls.
World *jolt_create(int threads) { return new World(threads); }
void jolt_destroy(World *world) { delete world; }
int jolt_threads(World *world) { return world->jobs.GetMaxConcurrency(); }
int jolt_contacts(World *world) { return world->contacts.count; }
int jolt_active(World *world) {
  return world->physics.GetNumActiveBodies(EBodyType::RigidBody);
}

uint32_t jolt_add_sphere(World *world, float radius, double x, double y,
                         double z) {
  Ref<SphereShape> shape = new SphereShape(radius);
  return world->physics.GetBodyInterface()
      .CreateAndAddBody(BodyCreationSettings(shape, RVec3(x, y, z),
                                             Quat::sIdentity(),
                                             EMotionType::Dynamic, MOVING),
                        EActivation::Activate)
      .GetIndexAndSequenceNumber();
}

// 60 steps a second. Gives the bits of what went wrong, or 0.
uint32_t jolt_step(World *world, int steps) {
  uint32_t errors = 0;
  for (int n = 0; n < steps; n++)
    errors |= static_cast<uint32_t>(
        world->physics.Update(1.0f / 60.0f, 1, &world->memory, &world->jobs));
  return errors;
}

void jolt_position(World *world, uint32_t sphere, double *out) {
  const RVec3 at =
      world->physics.GetBodyInterface().GetCenterOfMassPosition(BodyID(sphere));
  for (int i = 0; i < 3; i++)
    out[i] = at[i];
}

// Runs jobs on the pool's threads; gives how many threads other than the
// caller's took one.
int jolt_job_threads(World *world, int count) {
  const std::thread::id caller = std::this_thread::get_id();
  std::mutex mutex;
  std::set<std::thread::id> threads;
  JobSystem::Barrier *barrier = world->jobs.CreateBarrier();
  for (int n = 0; n < count; n++) {
    JobHandle job = world->jobs.CreateJob("count", Color::sRed, [&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
      // It takes jobs while it waits. Its variable would outlive the library's
      // use: glibc unloads no library while a thread has a destructor of it to
      // run.
      if (std::this_thread::get_id() == caller)
        return;
      ++per_thread.jobs;
      std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    });
    barrier->AddJob(job);
  }
  world->jobs.WaitForJobs(barrier);
  world->jobs.DestroyBarrier(barrier);
  return static_cast<int>(threads.size());
}

// Threads that have had the thread-local variable, and those whose destructor
// of it has run.
int jolt_threads_seen(void) { return threads_seen; }
int jolt_threads_gone(void) { return threads_gone; }

} // extern "C"
